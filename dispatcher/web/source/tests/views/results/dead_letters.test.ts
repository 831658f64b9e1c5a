import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

vi.stubGlobal('sessionStorage', { getItem: () => null });
vi.stubGlobal('localStorage', { getItem: () => null });
const { purgeFailed, requeueFailed } = await import('@/views/results/dead_letters');

const sent: unknown[] = [];
let answers: unknown[] = [];

beforeEach(() => {
  sent.length = 0;
  vi.stubGlobal('fetch', (path: string, { body }: { body: string }) => {
    sent.push([path, JSON.parse(body)]);
    return Promise.resolve(Response.json(answers.shift()));
  });
});

afterEach(() => {
  expect(answers).toEqual([]);
});

describe('failed jobs', () => {
  it('are repeated part by part to the end', async () => {
    answers = [
      { requeued: 2, put_back: 0, skipped: { image_gone: 1 }, next: 'abc' },
      { requeued: 1, put_back: 0, skipped: { image_gone: 1 }, next: null },
    ];
    expect(await requeueFailed('timeout')).toBe('3 jobs repeated, 2 have no picture any more.');
    expect(sent).toEqual([
      ['/queue/requeue', { code: 'timeout' }],
      ['/queue/requeue', { code: 'timeout', after: 'abc' }],
    ]);
  });

  it('are dropped as far as they had failed when somebody looked', async () => {
    answers = [
      { purged: 2, dead_messages: 0, more: true },
      { purged: 1, dead_messages: 4, more: false },
    ];
    expect(await purgeFailed(null, 12.5)).toBe('3 failed jobs dropped, 4 messages thrown away.');
    expect(sent[1]).toEqual(['/queue/purge', { what: 'failed', before: 12.5 }]);
  });

  it('are asked for no more when nothing comes of it', async () => {
    answers = [{ purged: 0, dead_messages: 0, more: true }];
    expect(await purgeFailed('x', 1)).toBe('0 failed jobs dropped.');
  });
});
