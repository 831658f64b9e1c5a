import { describe, expect, it } from 'vitest';
import type { JobDocument } from '@/api/types';
import { found, isId, moreThan, pathOf, queryOf, wishOf } from '@/views/results/listing';

const ID = '0b2d1a9c-58a0-4e5c-9d54-1f0d6a3c7e11';

function job(request_id: string, filename: string): JobDocument {
  return { request_id, filename, pipeline: 'default' } as unknown as JobDocument;
}

describe('the list of results', () => {
  it('is what the address says', () => {
    const wish = wishOf(new URLSearchParams('status=failed&after=abc'));
    expect(pathOf(wish, 50)).toBe('/results?status=failed&after=abc&limit=50');
    expect(queryOf(wish)).toEqual({ status: 'failed', after: 'abc' });
  });

  it('is of all states when the address names none that there is', () => {
    expect(pathOf(wishOf(new URLSearchParams('status=odd')), 50)).toBe('/results?limit=50');
  });

  it('grows to what the service gives at once, and no further', () => {
    expect(moreThan(50)).toBe(100);
    expect(moreThan(480)).toBe(500);
    expect(moreThan(500)).toBeNull();
  });
});

describe('the search', () => {
  const jobs = [job(ID, 'Koala.jpg'), job('x', 'cat.png')];

  it('finds files and ids whatever the case', () => {
    expect(found(jobs, ' KOALA ')).toEqual([jobs[0]]);
    expect(found(jobs, '58a0-4E5C')).toEqual([jobs[0]]);
    expect(found(jobs, '')).toBe(jobs);
    expect(found(jobs, 'dog')).toEqual([]);
  });

  it('knows a whole id from a part of one', () => {
    expect(isId(` ${ID}`)).toBe(true);
    expect(isId(ID.slice(1))).toBe(false);
  });
});
