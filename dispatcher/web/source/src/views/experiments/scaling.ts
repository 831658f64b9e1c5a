// What the grayscale step measured of itself with several numbers of threads.
import type { JobOutcome } from '@/api/types';
import type { SpeedUp } from '@/views/experiments/amdahl';

/** What is asked for. */
export interface ScalingOrder {
  readonly threads: readonly number[];
  readonly passes: number;
  readonly repeats: number;
}

/** One number of threads, as the step tells it; seconds. */
export interface Timing extends SpeedUp {
  /** Median over the repeats, of the kernel alone. */
  readonly kernelS: number;
  readonly kernelMinS: number;
  readonly megapixelsPerS: number;
}

/** Bounds of the step's params: see GET /step-types. */
export const MOST_THREADS = 32;
export const MOST_COUNTS = 16;
export const MOST_PASSES = 10;
export const MOST_REPEATS = 100;

/** A list of threads that was read. */
export type ThreadsRead =
  | { readonly ok: true; readonly threads: readonly number[] }
  | { readonly ok: false; readonly error: string };

/** Read numbers of threads such as `1, 2, 4`; each counts once, the least first. */
export function readThreads(text: string): ThreadsRead {
  const parts = text.split(/[\s,;]+/).filter((part) => part !== '');
  if (parts.length === 0) return { ok: false, error: 'Say with how many threads: 1, 2, 4.' };
  const threads = new Set<number>();
  for (const part of parts) {
    const count = /^\d{1,4}$/.test(part) ? Number(part) : 0;
    if (count < 1 || count > MOST_THREADS) {
      return { ok: false, error: `${part} is not a whole number from 1 to ${MOST_THREADS}.` };
    }
    threads.add(count);
  }
  if (threads.size > MOST_COUNTS) {
    return { ok: false, error: `At most ${MOST_COUNTS} numbers of threads at once.` };
  }
  return { ok: true, threads: [...threads].sort((a, b) => a - b) };
}

/** Return the form of a submission to `POST /process`: computed anew, whatever is known. */
export function formOf({ threads, passes, repeats }: ScalingOrder, picture: File): FormData {
  const operations = [{ type: 'grayscale', params: { threads, passes, repeats } }];
  const form = new FormData();
  form.append('actions', JSON.stringify({ operations }));
  form.append('cache', 'false');
  form.append('files', picture, picture.name);
  return form;
}

/** Return the timings in a result, the least threads first; none when it holds none. */
export function timingsOf(outcome: JobOutcome): Timing[] {
  const listed = Array.isArray(outcome['timings']) ? (outcome['timings'] as unknown[]) : [];
  return listed
    .map(timingOf)
    .filter((timing) => timing !== null)
    .sort((a, b) => a.threads - b.threads);
}

function timingOf(document: unknown): Timing | null {
  if (typeof document !== 'object' || document === null) return null;
  const number = (name: string): number => {
    const value = (document as Record<string, unknown>)[name];
    return typeof value === 'number' && Number.isFinite(value) ? value : Number.NaN;
  };
  const timing = {
    threads: number('threads'),
    kernelS: number('kernel_s'),
    kernelMinS: number('kernel_min_s'),
    megapixelsPerS: number('megapixels_per_s'),
    speedUp: number('speed_up'),
  };
  return Object.values(timing).some(Number.isNaN) ? null : timing;
}
