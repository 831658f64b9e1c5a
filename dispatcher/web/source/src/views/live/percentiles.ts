// Percentiles of a histogram's buckets, as Prometheus' histogram_quantile tells them.
import type { Bucket } from '@/views/live/metrics_text';

/** Return what was added to a histogram between two looks at it. */
export function bucketsBetween(before: readonly Bucket[], after: readonly Bucket[]): Bucket[] {
  const known = new Map(before.map(({ upTo, count }) => [upTo, count]));
  return after.map(({ upTo, count }) => ({ upTo, count: count - (known.get(upTo) ?? 0) }));
}

/** Return several histograms as one. */
export function mergeBuckets(all: readonly (readonly Bucket[])[]): Bucket[] {
  const counts = new Map<number, number>();
  for (const { upTo, count } of all.flat()) counts.set(upTo, (counts.get(upTo) ?? 0) + count);
  return [...counts].map(([upTo, count]) => ({ upTo, count })).sort((a, b) => a.upTo - b.upTo);
}

/**
 * Return a quantile (0 to 1), linear within its bucket; null without observations.
 *
 * What lies beyond the last finite bound is told as that bound, as Prometheus does
 * (histogram_quantile): nothing more is known of it.
 */
export function quantileOf(buckets: readonly Bucket[], quantile: number): number | null {
  const total = buckets.at(-1)?.count ?? 0;
  if (total <= 0) return null;
  const rank = quantile * total;
  const index = buckets.findIndex(({ count }) => count >= rank);
  const bucket = buckets[index];
  if (bucket === undefined) return null;
  const lower = index === 0 ? { upTo: 0, count: 0 } : buckets[index - 1];
  if (lower === undefined) return null;
  if (bucket.upTo === Number.POSITIVE_INFINITY) return lower.upTo;
  const inBucket = bucket.count - lower.count;
  if (inBucket <= 0) return bucket.upTo;
  return lower.upTo + ((bucket.upTo - lower.upTo) * (rank - lower.count)) / inBucket;
}
