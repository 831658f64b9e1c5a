import { describe, expect, it } from 'vitest';
import {
  addCounts,
  latestOfEach,
  NO_COUNTS,
  type Reading,
  readingOf,
  spansOf,
  withReading,
} from '@/views/live/readings';
import { figuresOf, gaugeOf, presentOnes, slotsOf } from '@/views/live/window';

function reading(atS: number, completed: number, more: Partial<Reading> = {}): Reading {
  return {
    atS,
    process: 'a',
    counts: { ...NO_COUNTS, completed },
    durations: [
      { upTo: 1, count: completed },
      { upTo: Number.POSITIVE_INFINITY, count: completed },
    ],
    depth: 0,
    oldestAgeS: 0,
    ongoing: 0,
    ...more,
  };
}

describe('a reading', () => {
  it('is what /metrics says', () => {
    const text = [
      'process_start_time_seconds 1.7e+09',
      'dispatcher_jobs_total{outcome="completed"} 7',
      'dispatcher_jobs_total{outcome="refused_queue_full"} 3',
      'dispatcher_cache_requests_total{outcome="hit"} 2',
      'dispatcher_queue_depth 4',
      'dispatcher_queue_oldest_age_seconds 1.25',
    ].join('\n');
    const read = readingOf(text, 10);
    expect(read).toMatchObject({ atS: 10, process: '1700000000', depth: 4, oldestAgeS: 1.25 });
    expect(read.counts).toEqual({ ...NO_COUNTS, completed: 7, hits: 2 });
  });

  it('is kept for as long as the window is', () => {
    const history = withReading([reading(0, 1), reading(50, 2)], reading(100, 3), 60);
    expect(history.map(({ atS }) => atS)).toEqual([50, 100]);
  });
});

describe('several dispatchers behind one address', () => {
  const history = [
    reading(0, 1000),
    reading(2, 5, { process: 'b' }),
    reading(10, 1020),
    reading(12, 15, { process: 'b' }),
  ];

  it('are never subtracted from each other', () => {
    expect(spansOf(history).map(({ process, counts }) => [process, counts.completed])).toEqual([
      ['a', 20],
      ['b', 10],
    ]);
  });

  it('are added', () => {
    expect(figuresOf(history, 60, 12).counts.completed).toBe(30);
    expect(addCounts(latestOfEach(history).map(({ counts }) => counts)).completed).toBe(1035);
  });

  it('are taken to be gone when they have not answered for long', () => {
    const present = presentOnes([...history, reading(41, 1030)], 41);
    expect(present.map(({ process }) => process)).toEqual(['a', 'b']);
    expect(presentOnes(history, 43).map(({ process }) => process)).toEqual([]);
    expect(presentOnes(history, 41).map(({ process }) => process)).toEqual(['b']);
  });

  it('add up in each slot', () => {
    const slot = slotsOf(history, 300, 12).find(({ atS }) => atS === 7.5 - 12);
    expect(slot?.completed).toBeCloseTo(2 + 1, 9);
  });
});

describe('the window', () => {
  const quiet = reading(0, 10);
  const busy = reading(10, 60, {
    counts: { ...NO_COUNTS, completed: 60, failed: 10, hits: 30, misses: 10, coalesced: 10 },
  });

  it('tells rates of what happened within it', () => {
    const figures = figuresOf([quiet, busy], 300, 10);
    expect(figures).toMatchObject({ throughput: 5, knownS: 10, hitRate: 60 });
    expect(figures.errorRate).toBeCloseTo((100 * 10) / 60, 9);
    expect(figures.latency.p50S).toBeCloseTo(0.5, 9);
  });

  it('tells nothing after one look', () => {
    const figures = figuresOf([busy], 300, 10);
    expect(figures).toMatchObject({ throughput: null, errorRate: null, knownS: 0 });
  });

  it('leaves gaps where nobody looked', () => {
    const slots = slotsOf([quiet, busy], 60, 10);
    expect(slots).toHaveLength(12);
    expect(slots.map(({ completed }) => completed)).toEqual([...Array(10).fill(null), 5, 5]);
  });

  it('tells nothing of a time in which nobody looked', () => {
    const back = [reading(100, 500), reading(110, 520)];
    const figures = figuresOf([quiet, busy, ...back], 300, 110);
    expect(figures).toMatchObject({ knownS: 20, throughput: (50 + 20) / 20 });
    const slots = slotsOf([quiet, busy, ...back], 60, 110);
    expect(slots.map(({ completed }) => completed)).toEqual([...Array(10).fill(null), 2, 2]);
    const depths = gaugeOf([quiet, busy, ...back], 300, 110, ({ depth }) => depth);
    expect(depths.map(({ y }) => y)).toEqual([0, 0, null, 0, 0]);
  });

  it('tells of what lies within it alone', () => {
    const figures = figuresOf([quiet, reading(10, 60), reading(20, 80)], 15, 20);
    expect(figures).toMatchObject({ knownS: 15, throughput: (25 + 20) / 15 });
    expect(figures.counts.completed).toBe(45);
  });

  it('begins anew when the service was restarted', () => {
    const after = reading(20, 3, { process: 'later' });
    expect(figuresOf([quiet, busy, after], 300, 20).counts.completed).toBe(50);
  });
});
