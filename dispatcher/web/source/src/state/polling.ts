// Asking the service again and again, only while somebody looks.
import { effect, type ReadonlySignal, signal } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { type ApiProblem, asProblem } from '@/api/problem';
import { apiKey } from '@/state/api_key';
import { backoffMs, pauseMs } from '@/state/pausing';
import { isVisible } from '@/state/visibility';

/** What is known by asking. */
export interface Polled<T> {
  /** The latest answer; kept while the service does not answer, null before the first. */
  readonly data: ReadonlySignal<T | null>;
  /** Why the last call failed; null when it did not. */
  readonly problem: ReadonlySignal<ApiProblem | null>;
  /** Ask now, and then at the same intervals as before. */
  refresh(): void;
}

/** Asks from `start` until `stop`; not while the page is out of sight. */
export class Poller<T> implements Polled<T> {
  readonly data = signal<T | null>(null);
  readonly problem = signal<ApiProblem | null>(null);
  private round: AbortController | null = null;
  private dispose: (() => void) | null = null;

  /**
   * @param load one call; its signal ends it.
   * @param everyS seconds from an answer to the next call; 0 means to ask once, and again only
   *   after a failure.
   */
  constructor(
    private readonly load: (signal: AbortSignal) => Promise<T>,
    private readonly everyS: number,
  ) {}

  start(): void {
    this.dispose = effect(() => {
      void apiKey.value; // another key may be told other things
      if (isVisible.value) this.refresh();
      else this.round?.abort();
    });
  }

  stop(): void {
    this.dispose?.();
    this.dispose = null;
    this.round?.abort();
  }

  refresh(): void {
    this.round?.abort();
    this.round = new AbortController();
    void this.run(this.round.signal);
  }

  private async run(ending: AbortSignal): Promise<void> {
    let failures = 0;
    try {
      while (true) {
        const problem = await this.ask(ending);
        if (problem === null && this.everyS === 0) return;
        failures = problem === null ? 0 : failures + 1;
        const wait = failures === 0 ? 0 : backoffMs(failures);
        await pauseMs(
          Math.max(this.everyS * 1000, wait, (problem?.retryAfterS ?? 0) * 1000),
          ending,
        );
      }
    } catch (thrown) {
      if (!ending.aborted) throw thrown;
    }
  }

  private async ask(ending: AbortSignal): Promise<ApiProblem | null> {
    try {
      const data = await this.load(ending);
      ending.throwIfAborted();
      this.data.value = data;
      this.problem.value = null;
      return null;
    } catch (thrown) {
      ending.throwIfAborted();
      return (this.problem.value = asProblem(thrown));
    }
  }
}

/**
 * Ask while a component is shown.
 *
 * @param load one call; the latest function given is used.
 * @param everyS seconds between calls; 0 means once.
 * @param about what the answer depends on: when it changes, everything begins anew.
 */
export function usePolling<T>(
  load: (signal: AbortSignal) => Promise<T>,
  { everyS, about = '' }: { everyS: number; about?: string },
): Polled<T> {
  const latest = useRef(load);
  latest.current = load;
  const poller = useMemo(
    () => new Poller<T>((ending) => latest.current(ending), everyS),
    [everyS, about],
  );
  useEffect(() => {
    poller.start();
    return () => poller.stop();
  }, [poller]);
  return poller;
}
