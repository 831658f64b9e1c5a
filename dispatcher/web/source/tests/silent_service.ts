// A service that takes calls and says nothing, as one that is frozen does, until it shall answer.
import { vi } from 'vitest';

/** What was asked for. */
export interface Asked {
  readonly path: string;
  readonly init: RequestInit;
}

/** What the page finds in a browser and a test has not. */
export function stubBrowser(): void {
  const nothing = { getItem: () => null };
  vi.stubGlobal('sessionStorage', nothing);
  vi.stubGlobal('localStorage', nothing);
  vi.stubGlobal('document', { hidden: false, addEventListener: () => undefined });
}

/** Take the place of `fetch`: what `answer` returns is the answer, null is silence for good. */
export function stubFetch(answer: (asked: Asked) => Response | null): Asked[] {
  const calls: Asked[] = [];
  vi.stubGlobal('fetch', (path: string, init: RequestInit) => {
    const asked = { path, init };
    calls.push(asked);
    const response = answer(asked);
    if (response !== null) return Promise.resolve(response);
    return new Promise((_, reject) => {
      const signal = init.signal as AbortSignal;
      signal.addEventListener('abort', () => reject(signal.reason as Error));
    });
  });
  return calls;
}

/** A body that begins and then says nothing more, until the call is ended. */
export function stalling(text: string, signal: AbortSignal): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(text));
      signal.addEventListener('abort', () => controller.error(signal.reason));
    },
  });
}
