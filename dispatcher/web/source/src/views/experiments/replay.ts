// Replays a schedule in an open loop: each picture is sent when it is due, whatever became of those
// before it, as far as the browser's six connections go.
import { callJson } from '@/api/client';
import { uploadMs } from '@/api/deadline';
import { asProblem } from '@/api/problem';
import { ENDED, type JobPage, type Ticket } from '@/api/types';
import { pauseMs } from '@/state/pausing';
import { type Shot, shotsAt } from '@/views/experiments/replay_figures';
import { momentsOf } from '@/views/experiments/schedule';

/** What a replay is made of. */
export interface ReplayPlan {
  readonly perSecond: readonly number[];
  /** Sent in turn. */
  readonly pictures: readonly File[];
  /** Id or name. */
  readonly pipeline: string;
}

const LOOK_MS = 700;
const PAGE = 200;
const MOST_PAGES = 6;
/** After the last send: how long results are waited for. */
const MOST_WAIT_S = 120;

/** One replay. */
export class Replay {
  /** One for each picture; replaced, never changed. */
  shots: readonly Shot[];
  private readonly startedMs: number;
  private readonly open: Map<string, number> = new Map();

  /**
   * @param onChange called whenever `shots` has changed.
   * @param clockMs a clock that never goes back.
   */
  constructor(
    private readonly plan: ReplayPlan,
    private readonly onChange: () => void,
    private readonly clockMs: () => number = () => performance.now(),
  ) {
    this.shots = shotsAt(momentsOf(plan.perSecond));
    this.startedMs = clockMs();
  }

  /** Seconds since it began. */
  nowS(): number {
    return (this.clockMs() - this.startedMs) / 1000;
  }

  /**
   * Send all pictures and wait for their ends.
   *
   * @throws DOMException `AbortError`: the signal ended it; what was accepted runs on.
   */
  async run(ending: AbortSignal): Promise<void> {
    const looking = new AbortController();
    const stop = (): void => looking.abort();
    ending.addEventListener('abort', stop);
    const looks = this.lookUntil(looking.signal);
    try {
      const sends = await this.sendAll(ending);
      await Promise.all(sends);
      await this.waitForEnds(ending);
    } finally {
      stop();
      ending.removeEventListener('abort', stop);
      await looks;
    }
  }

  private async sendAll(ending: AbortSignal): Promise<Promise<void>[]> {
    const sends: Promise<void>[] = [];
    for (const [index, { dueS }] of this.shots.entries()) {
      const waitS = dueS - this.nowS();
      if (waitS > 0) await pauseMs(waitS * 1000, ending);
      ending.throwIfAborted();
      sends.push(this.send(index, ending));
    }
    return sends;
  }

  private async send(index: number, ending: AbortSignal): Promise<void> {
    const { pictures, pipeline } = this.plan;
    const picture = pictures[index % pictures.length];
    if (picture === undefined) return;
    this.change(index, { sentS: this.nowS() });
    const form = new FormData();
    form.append('pipeline', pipeline);
    form.append('cache', 'false'); // the same picture again is work again
    form.append('image', picture, picture.name);
    try {
      const limitMs = uploadMs(picture.size);
      const options = { method: 'POST', body: form, signal: ending, limitMs } as const;
      const { request_id: jobId } = await callJson<Ticket>('/predict_async', options);
      this.open.set(jobId, index);
      this.change(index, { jobId });
    } catch (thrown) {
      if (!ending.aborted) this.end(index, asProblem(thrown).code); // an open loop sends nothing twice
    }
  }

  /** One shared call tells of all jobs: a stream for each would take the connections of the sends. */
  private async lookUntil(ending: AbortSignal): Promise<void> {
    while (!ending.aborted) {
      try {
        await pauseMs(LOOK_MS, ending);
        if (this.open.size > 0) await this.look(ending);
      } catch {
        // The service is away for a moment, or the replay is over.
      }
    }
  }

  private async look(ending: AbortSignal): Promise<void> {
    let after = '';
    let found = 0;
    const asked = this.open.size;
    for (let page = 0; page < MOST_PAGES && found < asked; page += 1) {
      const path = `/results?limit=${PAGE}${after === '' ? '' : `&after=${encodeURIComponent(after)}`}`;
      const { results, next } = await callJson<JobPage>(path, { signal: ending });
      for (const { request_id: jobId, status } of results) {
        const index = this.open.get(jobId);
        if (index === undefined) continue;
        found += 1;
        if (!ENDED.has(status)) continue;
        this.open.delete(jobId);
        this.end(index, status);
      }
      if (next === null) return;
      after = next;
    }
  }

  private async waitForEnds(ending: AbortSignal): Promise<void> {
    const untilS = this.nowS() + MOST_WAIT_S;
    while (this.open.size > 0 && this.nowS() < untilS) await pauseMs(LOOK_MS / 4, ending);
    for (const index of this.open.values()) this.end(index, 'not_seen_ended');
    this.open.clear();
  }

  private end(index: number, outcome: string): void {
    this.change(index, { outcome, endedS: this.nowS() });
  }

  private change(index: number, changes: Partial<Shot>): void {
    this.shots = this.shots.map((shot, place) =>
      place === index ? { ...shot, ...changes } : shot,
    );
    this.onChange();
  }
}
