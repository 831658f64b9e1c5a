import { describe, expect, it } from 'vitest';
import { bucketsBetween, mergeBuckets, quantileOf } from '@/views/live/percentiles';

const buckets = (...counts: number[]) =>
  counts.map((count, index) => ({
    upTo: [0.1, 0.5, 1, Number.POSITIVE_INFINITY][index] ?? 0,
    count,
  }));

describe('percentiles of buckets', () => {
  it.each([
    [0.5, 0.1], // the fifth of ten: the top of the first bucket
    [0.25, 0.05],
    [0.7, 0.3], // half of the second
    [0.9, 0.5],
    [0.95, 0.75],
  ])('are linear within a bucket: %f is %f', (quantile, expected) => {
    expect(quantileOf(buckets(5, 9, 10, 10), quantile)).toBeCloseTo(expected, 9);
  });

  it('beyond the last bound are that bound', () => {
    expect(quantileOf(buckets(0, 0, 0, 10), 0.5)).toBe(1);
  });

  it('are unknown without observations', () => {
    expect(quantileOf([], 0.5)).toBeNull();
    expect(quantileOf(buckets(0, 0, 0, 0), 0.5)).toBeNull();
  });

  it('are of what happened between two looks, not of all time', () => {
    const between = bucketsBetween(buckets(100, 100, 100, 100), buckets(100, 100, 104, 104));
    expect(quantileOf(between, 0.5)).toBeCloseTo(0.75, 9);
  });

  it('of several dispatchers are those of all their jobs', () => {
    expect(mergeBuckets([buckets(1, 2, 3, 4), buckets(10, 20, 30, 40)])).toEqual(
      buckets(11, 22, 33, 44),
    );
  });
});
