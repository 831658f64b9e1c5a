import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { sumUp } from '@/views/experiments/replay_figures';

vi.stubGlobal('sessionStorage', { getItem: () => null });
vi.stubGlobal('localStorage', { getItem: () => null });
const { Replay } = await import('@/views/experiments/replay');

const PLAN = { perSecond: [2, 4], pictures: [new File(['x'], 'a.jpg')], pipeline: 'default' };
const fetched = vi.fn<(path: string, init: RequestInit) => Promise<Response>>();
let accepted: string[] = [];

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('fetch', fetched);
  accepted = [];
});
afterEach(() => {
  vi.useRealTimers();
  fetched.mockReset();
});

function accept(): Response {
  accepted.push(`job-${accepted.length}`);
  return Response.json({ request_id: accepted.at(-1) }, { status: 202 });
}

function list(status: string): Response {
  const results = accepted.map((request_id) => ({ request_id, status }));
  return Response.json({ results, next: null });
}

function start() {
  const ending = new AbortController();
  const replay = new Replay(
    PLAN,
    () => undefined,
    () => Date.now(),
  );
  return { replay, ending, running: replay.run(ending.signal) };
}

it('sends each picture when it is due and sees it completed', async () => {
  fetched.mockImplementation(async (path) =>
    path.startsWith('/results') ? list('completed') : accept(),
  );
  const { replay, running } = start();
  await vi.runAllTimersAsync();
  await running;
  expect(replay.shots.map(({ sentS }) => sentS)).toEqual(replay.shots.map(({ dueS }) => dueS));
  expect(sumUp(replay.shots)).toMatchObject({ sent: 6, completed: 6, failed: 0, underWay: 0 });
});

it('goes on sending while nothing is answered', async () => {
  fetched.mockImplementation(
    (_, { signal }) =>
      new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason as Error));
      }),
  );
  const { replay, ending, running } = start();
  await vi.advanceTimersByTimeAsync(2000);
  expect(sumUp(replay.shots)).toMatchObject({ sent: 6, underWay: 6 });
  ending.abort();
  await running;
  expect(sumUp(replay.shots)).toMatchObject({ completed: 0, failed: 0 });
});

it('counts what is refused and sends it no second time', async () => {
  fetched.mockImplementation(async () =>
    Response.json({ code: 'queue_full', title: 'Full', detail: 'Full.' }, { status: 503 }),
  );
  const { replay, running } = start();
  await vi.runAllTimersAsync();
  await running;
  expect(sumUp(replay.shots)).toMatchObject({ failed: 6, reasons: [['queue_full', 6]] });
  expect(fetched).toHaveBeenCalledTimes(6);
});

it('stops when it is told to', async () => {
  fetched.mockImplementation(async (path) =>
    path.startsWith('/results') ? list('processing') : accept(),
  );
  const { replay, ending, running } = start();
  const stopped = expect(running).rejects.toMatchObject({ name: 'AbortError' });
  await vi.advanceTimersByTimeAsync(600);
  ending.abort();
  await vi.runAllTimersAsync();
  await stopped;
  expect(sumUp(replay.shots)).toMatchObject({ sent: 2, completed: 0 });
});
