// What has happened to a job, in order, as its events tell.
import type { StreamEvent } from '@/api/event_stream';
import { ENDED, type JobDocument } from '@/api/types';
import { momentOf } from '@/figures';

/** One thing that has happened. */
export interface Happening {
  readonly state: string;
  readonly at: Date | null;
  /** Seconds since the one before; null for the first. */
  readonly afterS: number | null;
  readonly words: string;
}

const WORDS: Readonly<Record<string, string>> = {
  queued: 'Accepted and put into the queue',
  processing: 'Taken up by a dispatcher',
  completed: 'Completed',
  failed: 'Failed',
  cancelled: 'Cancelled',
  expired: 'Expired before it could be done',
};

/** Return what has happened, the earliest first; an event that cannot be read is left out. */
export function historyOf(events: readonly StreamEvent[]): readonly Happening[] {
  const happenings: Happening[] = [];
  for (const event of events) {
    const document = read(event.data);
    if (document === null) continue;
    const at = momentOf(document.at ?? document.completed_at);
    const before = happenings.at(-1)?.at ?? null;
    happenings.push({
      state: event.event,
      at,
      afterS: at === null || before === null ? null : (at.getTime() - before.getTime()) / 1000,
      words: wordsOf(event.event, document),
    });
  }
  return happenings;
}

/** Return whether nothing can come after an event. */
export function isLast(event: StreamEvent): boolean {
  return ENDED.has(event.event);
}

type Told = Partial<JobDocument> & { readonly at?: string };

function wordsOf(state: string, document: Told): string {
  if (state === 'completed' && document.from_cache === true) return 'Answered from the cache';
  if (state === 'completed' && document.coalesced === true) {
    return 'Completed with an equal picture that was in work';
  }
  if (document.error === null || document.error === undefined) return WORDS[state] ?? state;
  return `${WORDS[state] ?? state}: ${document.error.detail}`;
}

function read(data: string): Told | null {
  try {
    const document: unknown = JSON.parse(data);
    return typeof document === 'object' && document !== null ? (document as Told) : null;
  } catch {
    return null;
  }
}
