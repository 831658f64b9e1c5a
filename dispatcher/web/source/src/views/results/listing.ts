// The list of results: what is asked for, and in what words it is told.
import { signal } from '@preact/signals';
import type { JobState } from '@/api/types';
import { counted } from '@/figures';

/** States that can be chosen, in the order of a job's life. */
export const STATES: readonly JobState[] = [
  'queued',
  'processing',
  'completed',
  'failed',
  'cancelled',
  'expired',
];

/** How many more are loaded at a time. */
export const PAGE = 50;
/** Most that the service gives at once. */
const MOST = 500;
/** A short list is asked for often, a long one seldom. */
const OFTEN_S = 3;
const SELDOM_S = 10;

/** Longest text that the service searches for. */
export const LONGEST_TEXT = 200;

/** What a list is of; all of it stands in the address. */
export interface Wish {
  /** Empty for all states. */
  readonly status: JobState | '';
  /** What id, file or pipeline has in it, whatever the case; empty for all jobs. */
  readonly text: string;
  /** Id of the job after which it begins; empty for the latest. */
  readonly after: string;
}

/** The list that was shown last: who looks at one of its jobs comes back to it. */
export const listedLast = signal<Wish>({ status: '', text: '', after: '' });

/** Read what the address says; what is no state means all. */
export function wishOf(query: URLSearchParams): Wish {
  const status = STATES.find((state) => state === query.get('status')) ?? '';
  return { status, text: trimmed(query.get('q') ?? ''), after: query.get('after') ?? '' };
}

/** Return a wish with another text, from the latest job on: its place was in another list. */
export function searching(wish: Wish, text: string): Wish {
  return { ...wish, text: trimmed(text), after: '' };
}

/** Return a wish as the address says it. */
export function queryOf(wish: Wish): Record<string, string> {
  return {
    ...(wish.status === '' ? {} : { status: wish.status }),
    ...(wish.text === '' ? {} : { q: wish.text }),
    ...(wish.after === '' ? {} : { after: wish.after }),
  };
}

/** Return the call that answers a wish. */
export function pathOf(wish: Wish, limit: number): string {
  return `/results?${new URLSearchParams({ ...queryOf(wish), limit: String(limit) }).toString()}`;
}

/** Return how often a list of so many is asked for, in seconds. */
export function everyS(limit: number): number {
  return limit > 2 * PAGE ? SELDOM_S : OFTEN_S;
}

/** Return how many are asked for when more are wanted; null when only a page further back has them. */
export function moreThan(limit: number): number | null {
  return limit >= MOST ? null : Math.min(MOST, limit + PAGE);
}

/** Return what is listed, in words. */
export function listWords(count: number): string {
  return `${counted(count, 'job')}, the latest first`;
}

/** Return why nothing is listed. */
export function emptyWords({ status, text }: Wish): string {
  if (text !== '') return 'No job fits.';
  return status === '' ? 'There is no job.' : `There is no job that is ${status}.`;
}

/** Return whether a text is a whole id, so that a job can be opened that is not in the list. */
export function isId(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text.trim());
}

function trimmed(text: string): string {
  return text.trim().slice(0, LONGEST_TEXT);
}
