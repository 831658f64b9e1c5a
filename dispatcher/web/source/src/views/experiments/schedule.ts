// A schedule in the load tester's syntax: how many images in each second.

/** A schedule that was read. */
export type ScheduleRead =
  | { readonly ok: true; readonly perSecond: readonly number[] }
  | { readonly ok: false; readonly error: string };

/** The 56 seconds that the reference load test replays. */
export const REFERENCE: readonly number[] = [
  ...[4, 8, 11, 15, 19, 22, 26, 30, 30, 30, 30, 30, 30, 30, 10, 2, 2, 2, 2, 2],
  ...[30, 30, 30, 30, 27, 2, 2, 2, 2, 2, 30, 30, 30, 30, 30, 30, 1, 2, 2, 2, 2, 2],
  ...[30, 30, 30, 30, 30, 27, 30, 26, 23, 19, 16, 12, 9, 5],
];
/** What a browser, with its six connections, can be expected to send. */
export const MOST_PER_SECOND = 60;
export const MOST_SECONDS = 600;

/**
 * Read a list of images per second: `4, 8, 11`, with blanks or commas, with or without brackets, as
 * the load tester's --schedule does; a `#` begins a comment.
 */
export function readSchedule(text: string): ScheduleRead {
  const plain = text.replace(/#.*$/gm, '').trim().replace(/^\[/, '').replace(/\]$/, '');
  const entries = plain.split(/[\s,]+/).filter((entry) => entry !== '');
  if (entries.length === 0) return fault('Say how many pictures in each second: 4, 8, 11.');
  if (entries.length > MOST_SECONDS) return fault(`At most ${MOST_SECONDS} seconds.`);
  const perSecond: number[] = [];
  for (const [index, entry] of entries.entries()) {
    const count = /^\d{1,9}$/.test(entry) ? Number(entry) : Number.NaN;
    const place = `Entry ${index + 1}`;
    if (Number.isNaN(count)) return fault(`${place} is not a whole number from 0 up: ${entry}`);
    if (count > MOST_PER_SECOND) {
      return fault(
        `${place} is ${count}: a browser sends at most ${MOST_PER_SECOND} a second. The load tester sends more.`,
      );
    }
    perSecond.push(count);
  }
  if (perSecond.every((count) => count === 0)) return fault('Nothing would be sent.');
  return { ok: true, perSecond };
}

/**
 * Return the moments of the sends in seconds: at equal distances within each second, the first as
 * the second begins, as the load tester draws them by default.
 */
export function momentsOf(perSecond: readonly number[]): number[] {
  return perSecond.flatMap((count, second) =>
    Array.from({ length: count }, (_, index) => second + index / count),
  );
}

function fault(error: string): ScheduleRead {
  return { ok: false, error };
}
