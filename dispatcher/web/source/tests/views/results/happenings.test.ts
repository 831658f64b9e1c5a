import { describe, expect, it } from 'vitest';
import { historyOf } from '@/views/results/happenings';

function event(name: string, document: unknown) {
  return { event: name, data: JSON.stringify(document), id: '1' };
}

describe('the history of a job', () => {
  it('tells each state, when, and how long after the one before', () => {
    const history = historyOf([
      event('queued', { at: '2026-01-01T10:00:00.000000' }),
      event('processing', { at: '2026-01-01T10:00:01.500000' }),
      event('completed', { completed_at: '2026-01-01T10:00:03.500000', error: null }),
    ]);
    expect(history.map(({ state, afterS }) => [state, afterS])).toEqual([
      ['queued', null],
      ['processing', 1.5],
      ['completed', 2],
    ]);
    expect(history[0]?.at?.toISOString()).toBe('2026-01-01T10:00:00.000Z');
  });

  it('says why a job has failed', () => {
    const error = { code: 'invalid_params', detail: 'rows: the picture has only 1 rows.' };
    const [failed] = historyOf([event('failed', { completed_at: null, error })]);
    expect(failed?.words).toBe('Failed: rows: the picture has only 1 rows.');
    expect(failed?.at).toBeNull();
  });

  it('says when nothing had to be computed', () => {
    const [only] = historyOf([event('completed', { from_cache: true, error: null })]);
    expect(only?.words).toBe('Answered from the cache');
  });

  it('leaves out what it cannot read', () => {
    expect(historyOf([{ event: 'queued', data: '{', id: '' }])).toEqual([]);
  });
});
