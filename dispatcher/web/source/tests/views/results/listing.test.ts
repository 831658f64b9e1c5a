import { describe, expect, it } from 'vitest';
import {
  emptyWords,
  isId,
  moreThan,
  pathOf,
  queryOf,
  searching,
  wishOf,
} from '@/views/results/listing';

const ID = '0b2d1a9c-58a0-4e5c-9d54-1f0d6a3c7e11';

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
  it('is part of the address and of the call', () => {
    const wish = wishOf(new URLSearchParams('status=failed&q=Köln+%26+1'));
    expect(wish.text).toBe('Köln & 1');
    expect(pathOf(wish, 50)).toBe('/results?status=failed&q=K%C3%B6ln+%26+1&limit=50');
    expect(queryOf(wish)).toEqual({ status: 'failed', q: 'Köln & 1' });
  });

  it('is left out of both while there is no text', () => {
    const wish = wishOf(new URLSearchParams('q=++'));
    expect(pathOf(wish, 50)).toBe('/results?limit=50');
    expect(queryOf(wish)).toEqual({});
  });

  it('begins at the latest job, in the same state', () => {
    const wish = wishOf(new URLSearchParams('status=failed&after=abc'));
    expect(queryOf(searching(wish, ' cat '))).toEqual({ status: 'failed', q: 'cat' });
  });

  it('is for no more than the service takes', () => {
    const wish = wishOf(new URLSearchParams(`q=${'x'.repeat(300)}`));
    expect(wish.text).toHaveLength(200);
  });

  it('says when nothing fits', () => {
    const words = (address: string): string => emptyWords(wishOf(new URLSearchParams(address)));
    expect(words('q=cat&status=failed')).toBe('No job fits.');
    expect(words('status=failed')).toBe('There is no job that is failed.');
    expect(words('')).toBe('There is no job.');
  });

  it('knows a whole id from a part of one', () => {
    expect(isId(` ${ID}`)).toBe(true);
    expect(isId(ID.slice(1))).toBe(false);
  });
});
