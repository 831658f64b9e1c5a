// What one look at /metrics tells, and what happened between two looks. Nothing is asked here.
import { type Bucket, bucketsOf, parseMetrics, sumOf, valuesBy } from '@/views/live/metrics_text';
import { bucketsBetween } from '@/views/live/percentiles';

/** Seconds between two looks. */
export const EVERY_S = 3;
/** Nobody looked for longer than this: what happened meanwhile is not known. */
export const LONGEST_GAP_S = 4 * EVERY_S;

/** Counts since a dispatcher's start. */
export interface Counts {
  readonly completed: number;
  readonly failed: number;
  readonly expired: number;
  readonly cancelled: number;
  readonly hits: number;
  readonly misses: number;
  readonly coalesced: number;
  /** Computed without asking the cache. */
  readonly bypassed: number;
}

/** One look at the metrics of one dispatcher. */
export interface Reading {
  /** Unix seconds, by the clock of this page. */
  readonly atS: number;
  /** Which process answered: counters of different ones are never subtracted. */
  readonly process: string;
  readonly counts: Counts;
  /** Seconds from acceptance to the end. */
  readonly durations: readonly Bucket[];
  readonly depth: number;
  readonly oldestAgeS: number;
  /** Items that replicas have on hand from this dispatcher. */
  readonly ongoing: number;
}

/** What one dispatcher did between two looks at it. */
export interface Span {
  readonly process: string;
  readonly fromS: number;
  readonly toS: number;
  readonly counts: Counts;
  readonly durations: readonly Bucket[];
}

/** Nothing has happened. */
export const NO_COUNTS: Counts = {
  completed: 0,
  failed: 0,
  expired: 0,
  cancelled: 0,
  hits: 0,
  misses: 0,
  coalesced: 0,
  bypassed: 0,
};
const NAMES = Object.keys(NO_COUNTS) as readonly (keyof Counts)[];

/** Read the text of `/metrics`. */
export function readingOf(text: string, atS: number): Reading {
  const samples = parseMetrics(text);
  const jobs = valuesBy(samples, 'dispatcher_jobs_total', 'outcome');
  const cache = valuesBy(samples, 'dispatcher_cache_requests_total', 'outcome');
  return {
    atS,
    process: String(sumOf(samples, 'process_start_time_seconds')),
    counts: {
      completed: jobs['completed'] ?? 0,
      failed: jobs['failed'] ?? 0,
      expired: jobs['expired'] ?? 0,
      cancelled: jobs['cancelled'] ?? 0,
      hits: cache['hit'] ?? 0,
      misses: cache['miss'] ?? 0,
      coalesced: cache['coalesced'] ?? 0,
      bypassed: cache['bypass'] ?? 0,
    },
    durations: bucketsOf(samples, 'dispatcher_job_duration_seconds'),
    depth: sumOf(samples, 'dispatcher_queue_depth'),
    oldestAgeS: sumOf(samples, 'dispatcher_queue_oldest_age_seconds'),
    ongoing: sumOf(samples, 'dispatcher_replica_ongoing_requests'),
  };
}

/**
 * Return the history with one more reading, without what is older than `keptS`.
 *
 * Behind a balancer each reading may be of another dispatcher; all are kept in one list.
 */
export function withReading(
  history: readonly Reading[],
  reading: Reading,
  keptS: number,
): readonly Reading[] {
  return [...history.filter(({ atS }) => atS > reading.atS - keptS), reading];
}

/**
 * Return what each dispatcher did between any two successive looks at it.
 *
 * Nothing is told of a time in which nobody looked: a page out of sight, a service that was away.
 */
export function spansOf(history: readonly Reading[]): Span[] {
  const latest = new Map<string, Reading>();
  const spans: Span[] = [];
  for (const [index, after] of history.entries()) {
    if (isGap(history[index - 1], after)) latest.clear();
    const before = latest.get(after.process);
    latest.set(after.process, after);
    if (before === undefined || after.atS <= before.atS) continue;
    spans.push({
      process: after.process,
      fromS: before.atS,
      toS: after.atS,
      counts: combine(after.counts, before.counts, (now, then) => Math.max(0, now - then)),
      durations: bucketsBetween(before.durations, after.durations),
    });
  }
  return spans;
}

/** Return whether nobody looked for long between two successive readings. */
export function isGap(before: Reading | undefined, after: Reading): boolean {
  return before !== undefined && after.atS - before.atS > LONGEST_GAP_S;
}

/** Return the part of a span that lies within a stretch, as if all had happened evenly. */
export function clipped(span: Span, fromS: number, toS: number): Span | null {
  const [from, to] = [Math.max(span.fromS, fromS), Math.min(span.toS, toS)];
  if (from >= to) return null;
  const part = (to - from) / (span.toS - span.fromS);
  return {
    process: span.process,
    fromS: from,
    toS: to,
    counts: combine(span.counts, NO_COUNTS, (count) => count * part),
    durations: span.durations.map(({ upTo, count }) => ({ upTo, count: count * part })),
  };
}

/** Return the latest reading of each dispatcher. */
export function latestOfEach(history: readonly Reading[]): Reading[] {
  return [...new Map(history.map((reading) => [reading.process, reading])).values()];
}

/** Return the sum of counts. */
export function addCounts(all: readonly Counts[]): Counts {
  return all.reduce((sum, each) => combine(sum, each, (a, b) => a + b), NO_COUNTS);
}

function combine(left: Counts, right: Counts, join: (a: number, b: number) => number): Counts {
  const entries = NAMES.map((name) => [name, join(left[name], right[name])] as const);
  return Object.fromEntries(entries) as unknown as Counts;
}
