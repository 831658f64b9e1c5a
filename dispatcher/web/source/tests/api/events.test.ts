import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

vi.stubGlobal('sessionStorage', { getItem: () => null });
vi.stubGlobal('localStorage', { getItem: () => null });
const { followEvents } = await import('@/api/events');

const isLast = ({ event }: { event: string }) => event === 'completed';

function answer(text: string, status = 200): Response {
  return new Response(status === 204 ? null : text, { status });
}

async function read(path: string): Promise<string[]> {
  const seen: string[] = [];
  const { signal } = new AbortController();
  for await (const { event } of followEvents(path, { signal, isLast })) seen.push(event);
  return seen;
}

describe('following events', () => {
  const fetched = vi.fn<(path: string, init: RequestInit) => Promise<Response>>();

  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal('fetch', fetched);
  });
  afterEach(() => {
    vi.useRealTimers();
    fetched.mockReset();
  });

  it('goes on after a break where it was', async () => {
    fetched.mockResolvedValueOnce(answer('id: 1\nevent: queued\ndata: {}\n\n'));
    fetched.mockRejectedValueOnce(new TypeError('refused'));
    fetched.mockResolvedValueOnce(answer('id: 3\nevent: completed\ndata: {}\n\n'));
    const reading = read('/x');
    await vi.runAllTimersAsync();
    expect(await reading).toEqual(['queued', 'completed']);
    const ids = fetched.mock.calls.map(([, init]) =>
      new Headers(init.headers).get('Last-Event-ID'),
    );
    expect(ids).toEqual([null, '1', '1']);
  });

  it('ends when the service says that nothing more comes', async () => {
    fetched.mockResolvedValueOnce(answer('', 204));
    expect(await read('/x')).toEqual([]);
  });

  it('waits as long as the service asks for', async () => {
    const full = { status: 503, headers: { 'Retry-After': '30' } };
    fetched.mockResolvedValueOnce(new Response('{}', full));
    fetched.mockResolvedValueOnce(answer('', 204));
    const reading = read('/x');
    await vi.advanceTimersByTimeAsync(29_000);
    expect(fetched).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(2_000);
    await reading;
    expect(fetched).toHaveBeenCalledTimes(2);
  });

  it('tells what the service refuses for good', async () => {
    fetched.mockResolvedValueOnce(
      new Response('{"code":"not_found","detail":"No."}', { status: 404 }),
    );
    await expect(read('/x')).rejects.toMatchObject({ code: 'not_found', status: 404 });
  });
});
