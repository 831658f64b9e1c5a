import { describe, expect, it } from 'vitest';
import { backoffMs } from '@/state/pausing';

describe('the pause before the next try', () => {
  it('doubles and is bounded', () => {
    const pauses = [0, 1, 2, 3, 4, 5, 50].map((failures) => backoffMs(failures, () => 0.5));
    expect(pauses).toEqual([500, 1000, 2000, 4000, 8000, 8000, 8000]);
  });

  it('is spread by a quarter', () => {
    expect(backoffMs(1, () => 0)).toBe(750);
    expect(backoffMs(1, () => 1)).toBe(1250);
  });
});
