import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { uploadMs } from '@/api/deadline';
import { stalling, stubBrowser, stubFetch } from '../silent_service';

stubBrowser();
const { callJson } = await import('@/api/client');
const { followEvents } = await import('@/api/events');

/** Return how a promise has ended, as far as it has. */
function endOf(promise: Promise<unknown>): { code: string | null } {
  const end: { code: string | null } = { code: null };
  promise.then(
    () => (end.code = 'done'),
    (thrown: { code?: string; name: string }) => (end.code = thrown.code ?? thrown.name),
  );
  return end;
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('a call to a service that is frozen', () => {
  it('ends after 15 s', async () => {
    stubFetch(() => null);
    const end = endOf(callJson('/status'));
    await vi.advanceTimersByTimeAsync(14_900);
    expect(end.code).toBeNull();
    await vi.advanceTimersByTimeAsync(200);
    expect(end.code).toBe('no_answer_in_time');
  });

  it('ends when the answer stops in the middle', async () => {
    stubFetch(({ init }) => new Response(stalling('{"a":', init.signal as AbortSignal)));
    const end = endOf(callJson('/status'));
    await vi.advanceTimersByTimeAsync(15_100);
    expect(end.code).toBe('no_answer_in_time');
  });

  it('may take longer where it asks for more', async () => {
    stubFetch(() => null);
    const end = endOf(callJson('/pipeline', { limitMs: 60_000 }));
    await vi.advanceTimersByTimeAsync(59_000);
    expect(end.code).toBeNull();
    expect(uploadMs(20 * 2 ** 20)).toBeGreaterThan(600_000);
  });

  it('ends as whoever ended it says', async () => {
    stubFetch(() => null);
    const ending = new AbortController();
    const end = endOf(callJson('/status', { signal: ending.signal }));
    ending.abort();
    await vi.advanceTimersByTimeAsync(0);
    expect(end.code).toBe(DOMException.ABORT_ERR);
  });
});

describe('a stream of events', () => {
  it('is opened anew after 35 s of silence, from where it was', async () => {
    const calls = stubFetch(({ init }) =>
      calls.length === 1
        ? new Response(stalling('id: 7\nevent: queued\ndata: {}\n\n', init.signal as AbortSignal))
        : new Response('id: 8\nevent: completed\ndata: {}\n\n'),
    );
    const seen: string[] = [];
    const following = (async () => {
      const { signal } = new AbortController();
      const isLast = ({ event }: { event: string }): boolean => event === 'completed';
      for await (const { event } of followEvents('/e', { signal, isLast })) seen.push(event);
    })();
    await vi.advanceTimersByTimeAsync(34_900);
    expect(calls).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(5_000);
    await following;
    expect(seen).toEqual(['queued', 'completed']);
    expect(calls[1]?.init.headers).toMatchObject({ 'Last-Event-ID': '7' });
  });
});
