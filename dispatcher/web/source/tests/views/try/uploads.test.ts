import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Order } from '@/views/try/order';
import { type Asked, stubBrowser, stubFetch } from '../../silent_service';

stubBrowser();
const { createPicture } = await import('@/views/try/pictures');
const { Uploads } = await import('@/views/try/uploads');

const PIPELINE: Order = {
  kind: 'pipeline',
  pipeline: 'default',
  steps: [],
  tiles: null,
  threads: null,
  output: '',
  usesCache: false,
};
const OPERATIONS: Order = { kind: 'operations', operations: [], output: '', usesCache: true };

function sent(order: Order, answer: (asked: Asked) => Response | null) {
  const calls = stubFetch(answer);
  const accepted: string[] = [];
  const uploads = new Uploads({
    stepTypes: () => [],
    onAccepted: (_, jobId) => accepted.push(jobId),
  });
  const picture = createPicture(new File(['x'], 'a.jpg'), order);
  uploads.add([picture]);
  return { calls, accepted, picture };
}

describe('a picture of which nobody knows whether it was taken', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('is sent again with the same key, so that it is one job', async () => {
    let isFrozen = true;
    const { calls, accepted, picture } = sent(PIPELINE, () =>
      isFrozen ? null : Response.json({ request_id: 'j', from_cache: false }, { status: 202 }),
    );
    await vi.advanceTimersByTimeAsync(30_500);
    expect(picture.progress.value).toEqual({ phase: 'waiting', note: 'no answer yet' });
    isFrozen = false;
    await vi.advanceTimersByTimeAsync(5_000);
    expect(accepted).toEqual(['j']);
    const keys = calls.map(({ init }) => new Headers(init.headers).get('Idempotency-Key'));
    expect(keys).toEqual([picture.idempotencyKey, picture.idempotencyKey]);
  });

  it('is sent again when known results may be used: it is computed once', async () => {
    const { calls } = sent(OPERATIONS, () => null);
    await vi.advanceTimersByTimeAsync(35_000);
    expect(calls).toHaveLength(2);
  });

  it('is left to the person when it would be computed twice', async () => {
    const { calls, picture } = sent({ ...OPERATIONS, usesCache: false }, () => null);
    await vi.advanceTimersByTimeAsync(100_000);
    expect(calls).toHaveLength(1);
    expect(picture.progress.value).toMatchObject({
      phase: 'refused',
      problem: { code: 'no_answer_in_time' },
    });
  });
});
