// Pictures that a person has given, and what has become of each.
import { type Signal, signal } from '@preact/signals';
import type { ApiProblem } from '@/api/problem';
import type { JobDocument, JobState } from '@/api/types';
import type { Order } from '@/views/try/order';

/** What has become of a picture so far. */
export type Progress =
  | {
      readonly phase: 'waiting' /** Why it waits longer than usual. */;
      readonly note: string | null;
    }
  | { readonly phase: 'uploading' }
  | {
      readonly phase: 'accepted';
      readonly jobId: string;
      readonly state: JobState;
      readonly position: number | null;
    }
  | { readonly phase: 'ended'; readonly job: JobDocument }
  | { readonly phase: 'refused'; readonly problem: ApiProblem };

/** One picture. */
export interface PictureItem {
  readonly id: number;
  readonly file: File;
  /** Address under which the browser shows the file; freed when the picture is removed. */
  readonly url: string;
  /** What shall be done with it, as it was chosen when it was given. */
  readonly order: Order;
  /** Makes it safe to send it again when nobody answered. */
  readonly idempotencyKey: string;
  readonly progress: Signal<Progress>;
}

/** How many pictures are in which state. */
export interface Tally {
  readonly total: number;
  readonly ended: number;
  readonly completed: number;
  /** Failed, refused, cancelled or expired. */
  readonly failed: number;
}

const WAITING: Progress = { phase: 'waiting', note: null };
let lastId = 0;

/** Return a picture that waits to be sent. */
export function createPicture(file: File, order: Order): PictureItem {
  lastId += 1;
  return {
    id: lastId,
    file,
    url: URL.createObjectURL(file),
    order,
    idempotencyKey: randomKey(),
    progress: signal(WAITING),
  };
}

/** Return the same picture, to be sent anew. */
export function createAgain(picture: PictureItem): PictureItem {
  return { ...picture, idempotencyKey: randomKey(), progress: signal(WAITING) };
}

/** Return the word for what has become of a picture. */
export function stateOf(progress: Progress): string {
  if (progress.phase === 'accepted') return progress.state;
  return progress.phase === 'ended' ? progress.job.status : progress.phase;
}

/** Say whether a picture is lost with the page: what was accepted is kept by the service. */
export function isUnsent({ phase }: Progress): boolean {
  return phase === 'waiting' || phase === 'uploading';
}

/** Say whether nothing more happens to a picture. */
export function hasEnded({ phase }: Progress): boolean {
  return phase === 'ended' || phase === 'refused';
}

/** Say whether a picture came to no good end. */
export function hasFailed(progress: Progress): boolean {
  return hasEnded(progress) && stateOf(progress) !== 'completed';
}

/** Count pictures by what has become of them. */
export function tallyOf(all: readonly Progress[]): Tally {
  const ended = all.filter(hasEnded).length;
  const failed = all.filter(hasFailed).length;
  return { total: all.length, ended, completed: ended - failed, failed };
}

/** Return 128 random bits as text; `crypto.randomUUID` exists on encrypted pages only. */
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
