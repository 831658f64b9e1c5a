// How long the service may be silent: a service that is frozen keeps connections and says nothing.

/** Ends what it is about when nothing has been heard for a time. */
export class Deadline {
  /** Ends the call: nothing was heard, or whoever asked has no use for the answer any more. */
  readonly signal: AbortSignal;
  private readonly silence = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined = undefined;

  /**
   * @param limitMs how long nothing may be heard; the time begins now.
   * @param outer ends it earlier.
   */
  constructor(
    private readonly limitMs: number,
    outer?: AbortSignal,
  ) {
    const own = this.silence.signal;
    this.signal = outer === undefined ? own : AbortSignal.any([outer, own]);
    this.renew();
  }

  /** Whether it has passed. */
  get hasPassed(): boolean {
    return this.silence.signal.aborted;
  }

  /** Note that something was heard: the time begins anew. */
  renew(): void {
    this.stop();
    this.timer = setTimeout(() => {
      this.silence.abort(new DOMException('Nothing was heard in time.', 'TimeoutError'));
    }, this.limitMs);
  }

  /** Wait for nothing more. */
  stop(): void {
    clearTimeout(this.timer);
  }
}

/** A call that answers at once. */
export const USUAL_MS = 15_000;
/** A call after which the service works for a while: pipelines are made and scaled, jobs repeated. */
export const WORK_MS = 60_000;
/** Deleting a pipeline, which finishes its work first; operators set how long that may take. */
export const DRAIN_MS = 600_000;

const UPLOAD_MS = 30_000;
/** A line that carries less is of no use for pictures. */
const LEAST_BYTES_A_MS = 32;

/** Return how long an upload of so many bytes may take. */
export function uploadMs(bytes: number): number {
  return UPLOAD_MS + bytes / LEAST_BYTES_A_MS;
}
