import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Debounce } from '@/state/debounce';

describe('what is asked for in quick succession', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('is done once, as it was asked for last', () => {
    const done: string[] = [];
    const debounce = new Debounce(300);
    for (const text of ['r', 'ro', 'rob']) {
      debounce.ask(() => done.push(text));
      vi.advanceTimersByTime(299);
    }
    expect(done).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(done).toEqual(['rob']);
  });

  it('is forgotten when nobody wants it any more', () => {
    const done: string[] = [];
    const debounce = new Debounce(300);
    debounce.ask(() => done.push('r'));
    debounce.stop();
    vi.advanceTimersByTime(1000);
    expect(done).toEqual([]);
  });
});
