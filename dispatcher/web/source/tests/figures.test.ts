import { describe, expect, it } from 'vitest';
import { counted, formatBytes, formatSeconds, momentOf } from '@/figures';

describe('figures', () => {
  it.each([
    [0, '0 ms'],
    [0.00042, '0.4 ms'],
    [0.0384, '38.4 ms'],
    [0.123, '123 ms'],
    [1.254, '1.25 s'],
    [12.34, '12.3 s'],
    [200, '3 min 20 s'],
    [59.999, '60 s'],
    [7260, '2 h 1 min'],
    [null, '–'],
  ])('of seconds are short: %s', (seconds, text) => {
    expect(formatSeconds(seconds)).toBe(text);
  });

  it.each([
    [0, '0 B'],
    [920, '920 B'],
    [129_328, '129 kB'],
    [1_400_000, '1.4 MB'],
  ])('of bytes are short: %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it('go with their noun', () => {
    expect(counted(1, 'picture')).toBe('1 picture');
    expect(counted(1200, 'picture')).toBe('1,200 pictures');
  });

  it('of time are in UTC', () => {
    expect(momentOf('2025-06-25T11:22:41.523565')?.toISOString()).toBe('2025-06-25T11:22:41.523Z');
    expect(momentOf('no moment')).toBeNull();
  });
});
