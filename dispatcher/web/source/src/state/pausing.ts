// How long to wait before the next try.

const FIRST_MS = 500;
const MOST_MS = 8000;

/**
 * Return how long to wait after so many failures in a row, in milliseconds: doubling, bounded, and
 * spread by a quarter so that many pages do not come back at the same moment.
 */
export function backoffMs(failures: number, random: () => number = Math.random): number {
  const plain = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(failures, 10));
  return plain * (0.75 + random() / 2);
}

/**
 * Wait.
 *
 * @throws DOMException `AbortError`: the signal ended it.
 */
export function pauseMs(durationMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason as Error);
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, durationMs);
    signal?.addEventListener('abort', stop, { once: true });
    return undefined;
  });
}
