// Follows accepted pictures until they end: the first few by events, the rest by one shared call.
//
// A browser opens six connections to a host, and an event stream keeps one for as long as it is
// followed. So only the oldest jobs have one each, and the others are asked for together.
import { callJson } from '@/api/client';
import { followEvents } from '@/api/events';
import { asProblem } from '@/api/problem';
import { ENDED, type JobDocument, type JobPage, type JobState } from '@/api/types';
import { backoffMs, pauseMs } from '@/state/pausing';
import { isVisible } from '@/state/visibility';
import type { PictureItem } from '@/views/try/pictures';

const STREAMS = 2;
const POLL_MS = 600;
/** Jobs that one round of polling fetches each by itself because they have ended. */
const MOST_FETCHES = 12;
const POLL_PATH = '/results?status=queued,processing&limit=200';

interface Watched {
  readonly picture: PictureItem;
  readonly jobId: string;
  readonly ending: AbortController;
  hasStream: boolean;
}

/** Follows jobs. */
export class Watcher {
  private readonly watched = new Map<string, Watched>();
  private isPolling = false;

  /** @param onSettled called once for each picture, when it has ended or is followed no more. */
  constructor(private readonly onSettled: () => void) {}

  /** Follow a picture's job until it ends. */
  watch(picture: PictureItem, jobId: string): void {
    this.watched.set(jobId, { picture, jobId, ending: new AbortController(), hasStream: false });
    this.goOn();
  }

  /** Follow a picture no more. */
  drop(picture: PictureItem): void {
    for (const each of this.watched.values()) if (each.picture === picture) this.leave(each);
  }

  private goOn(): void {
    const all = [...this.watched.values()];
    const free = STREAMS - all.filter((each) => each.hasStream).length;
    for (const each of all.filter((other) => !other.hasStream).slice(0, free)) {
      each.hasStream = true;
      void this.follow(each);
    }
    if (!this.isPolling && this.polled().length > 0) {
      this.isPolling = true;
      void this.poll().finally(() => {
        this.isPolling = false;
      });
    }
  }

  private polled(): Watched[] {
    return [...this.watched.values()].filter((each) => !each.hasStream);
  }

  private async follow(each: Watched): Promise<void> {
    const { jobId, ending } = each;
    try {
      const path = `/result/${encodeURIComponent(jobId)}/events`;
      const isLast = ({ event }: { event: string }): boolean => ENDED.has(event);
      for await (const { event, data } of followEvents(path, { signal: ending.signal, isLast })) {
        if (ENDED.has(event)) this.end(each, JSON.parse(data) as JobDocument);
        else this.note(each, event as JobState, null);
      }
      await this.fetch(each); // the stream says that it is over and did not say how
    } catch (thrown) {
      if (!ending.signal.aborted) await this.comeBack(each, thrown);
    }
  }

  private async comeBack(each: Watched, thrown: unknown): Promise<void> {
    const problem = asProblem(thrown);
    if (!problem.isPassing && !problem.isAboutKey) return this.refuse(each, thrown);
    await pauseMs(POLL_MS * 4); // a key is being typed, or the service is starting
    each.hasStream = false;
    this.goOn();
  }

  private async poll(): Promise<void> {
    let failures = 0;
    while (this.polled().length > 0) {
      await pauseMs(failures === 0 ? POLL_MS : backoffMs(failures));
      if (!isVisible.peek()) continue;
      try {
        await this.pollOnce();
        failures = 0;
      } catch {
        failures += 1; // the service is away; what was accepted is kept there
      }
    }
  }

  private async pollOnce(): Promise<void> {
    const asked = this.polled(); // what is accepted during the call may be missing in its answer
    const { results } = await callJson<JobPage>(POLL_PATH);
    const unended = new Map(results.map((job) => [job.request_id, job]));
    const gone: Watched[] = [];
    for (const each of asked) {
      const job = unended.get(each.jobId);
      if (job === undefined) gone.push(each);
      else this.note(each, job.status, job.queue_position);
    }
    for (const each of gone.slice(0, MOST_FETCHES)) await this.fetch(each);
  }

  private async fetch(each: Watched): Promise<void> {
    if (!this.watched.has(each.jobId)) return;
    try {
      const job = await callJson<JobDocument>(`/result/${encodeURIComponent(each.jobId)}`, {
        signal: each.ending.signal,
      });
      if (ENDED.has(job.status)) this.end(each, job);
      else this.note(each, job.status, job.queue_position);
    } catch (thrown) {
      if (each.ending.signal.aborted) return;
      const problem = asProblem(thrown);
      if (problem.isPassing || problem.isAboutKey) throw thrown;
      this.refuse(each, thrown);
    }
  }

  private note(each: Watched, state: JobState, position: number | null): void {
    const known = each.picture.progress.peek();
    if (known.phase !== 'accepted') return;
    if (known.state === state && known.position === position) return;
    each.picture.progress.value = { phase: 'accepted', jobId: each.jobId, state, position };
  }

  private end(each: Watched, job: JobDocument): void {
    each.picture.progress.value = { phase: 'ended', job };
    this.leave(each);
  }

  private refuse(each: Watched, thrown: unknown): void {
    each.picture.progress.value = { phase: 'refused', problem: asProblem(thrown) };
    this.leave(each);
  }

  private leave(each: Watched): void {
    if (!this.watched.delete(each.jobId)) return;
    each.ending.abort();
    this.onSettled();
    this.goOn();
  }
}
