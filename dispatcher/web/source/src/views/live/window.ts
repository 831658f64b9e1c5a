// The last minutes in figures and in lines, from the readings of all dispatchers together.
import type { Bucket } from '@/views/live/metrics_text';
import { mergeBuckets, quantileOf } from '@/views/live/percentiles';
import {
  addCounts,
  clipped,
  type Counts,
  isGap,
  latestOfEach,
  type Reading,
  type Span,
  spansOf,
} from '@/views/live/readings';

/** How long jobs took from acceptance to the end, in seconds; null when none ended. */
export interface Latency {
  readonly p50S: number | null;
  readonly p95S: number | null;
  readonly p99S: number | null;
}

/** What happened within the window. */
export interface WindowFigures {
  readonly counts: Counts;
  /** How much of the window is known, in seconds. */
  readonly knownS: number;
  /** Completed a second; null when too little is known. */
  readonly throughput: number | null;
  /** Percent of the jobs that ended without the answer that their client wanted. */
  readonly errorRate: number | null;
  /** Percent of the images that asked the cache. */
  readonly hitRate: number | null;
  readonly latency: Latency;
}

/** One stretch of the window; null where nothing is known. */
export interface Slot {
  /** Its middle, in seconds since now: negative. */
  readonly atS: number;
  readonly completed: number | null;
  readonly failed: number | null;
  readonly hits: number | null;
  readonly misses: number | null;
  readonly coalesced: number | null;
  readonly latency: Latency;
}

const SLOTS = 60;
const LEAST_SLOT_S = 5;
/** A dispatcher that was not met for so long is taken to be gone. */
const LATELY_S = 30;
const ROUNDING_S = 1e-6;

/** Return the figures of the last `windowS` seconds before `nowS`. */
export function figuresOf(
  history: readonly Reading[],
  windowS: number,
  nowS: number,
): WindowFigures {
  const spans = within(spansOf(history), nowS - windowS, nowS);
  const counts = addCounts(spans.map((span) => span.counts));
  const knownS = coveredS(spans);
  const asked = counts.hits + counts.misses + counts.coalesced;
  const ended = counts.completed + counts.failed + counts.expired + counts.cancelled;
  return {
    counts,
    knownS,
    throughput: knownS > 0 ? counts.completed / knownS : null,
    errorRate: percent(counts.failed + counts.expired, ended),
    hitRate: percent(counts.hits, asked),
    latency: latencyOf(spans.map((span) => span.durations)),
  };
}

/**
 * Return the window in slots, the oldest first.
 *
 * What happened between two looks is spread evenly over the time between them, so that looks at
 * different dispatchers, at different moments, add up. A slot that no look covers is unknown.
 */
export function slotsOf(history: readonly Reading[], windowS: number, nowS: number): Slot[] {
  const widthS = Math.max(LEAST_SLOT_S, windowS / SLOTS);
  const spans = spansOf(history);
  // Whole multiples: else the figures of a slot would change at each look.
  const lastS = Math.floor(knownUntil(history, nowS) / widthS) * widthS;
  const count = Math.round(windowS / widthS);
  return Array.from({ length: count }, (_, index) => {
    const fromS = lastS - (count - index) * widthS;
    return slotOf(spans, fromS, fromS + widthS, nowS);
  });
}

function slotOf(spans: readonly Span[], fromS: number, toS: number, nowS: number): Slot {
  const parts = within(spans, fromS, toS);
  const isCovered = coveredS(parts) > toS - fromS - ROUNDING_S;
  const counts = addCounts(parts.map((span) => span.counts));
  const rate = (name: keyof Counts): number | null =>
    isCovered ? counts[name] / (toS - fromS) : null;
  return {
    atS: (fromS + toS) / 2 - nowS,
    completed: rate('completed'),
    failed: sumOrNull(rate('failed'), rate('expired')),
    hits: rate('hits'),
    misses: rate('misses'),
    coalesced: rate('coalesced'),
    latency: latencyOf(isCovered ? parts.map((span) => span.durations) : []),
  };
}

/** A point of a line; a null breaks the line. */
export interface Point {
  /** Seconds since now: negative. */
  readonly x: number;
  readonly y: number | null;
}

/** Return what each reading of the window says of something, with a break where nobody looked. */
export function gaugeOf(
  history: readonly Reading[],
  windowS: number,
  nowS: number,
  of: (reading: Reading) => number,
): Point[] {
  const shown = history.filter(({ atS }) => atS > nowS - windowS);
  return shown.flatMap((reading, index) => {
    const point = { x: reading.atS - nowS, y: of(reading) };
    const before = shown[index - 1];
    if (before === undefined || !isGap(before, reading)) return [point];
    return [{ x: (before.atS + reading.atS) / 2 - nowS, y: null }, point];
  });
}

/** Return the latest reading of each dispatcher that has been met lately. */
export function presentOnes(history: readonly Reading[], nowS: number): Reading[] {
  return latestOfEach(history).filter(({ atS }) => atS > nowS - LATELY_S);
}

/** Return until when all dispatchers are known that have been met lately. */
function knownUntil(history: readonly Reading[], nowS: number): number {
  return Math.min(nowS, ...presentOnes(history, nowS).map(({ atS }) => atS));
}

function latencyOf(durations: readonly (readonly Bucket[])[]): Latency {
  const merged = mergeBuckets(durations);
  return {
    p50S: quantileOf(merged, 0.5),
    p95S: quantileOf(merged, 0.95),
    p99S: quantileOf(merged, 0.99),
  };
}

function within(spans: readonly Span[], fromS: number, toS: number): Span[] {
  return spans.map((span) => clipped(span, fromS, toS)).filter((span) => span !== null);
}

/** Return how much time spans cover, whether of one dispatcher or of several. */
function coveredS(spans: readonly Span[]): number {
  let [covered, untilS] = [0, Number.NEGATIVE_INFINITY];
  for (const { fromS, toS } of spans.toSorted((a, b) => a.fromS - b.fromS)) {
    covered += Math.max(0, toS - Math.max(fromS, untilS));
    untilS = Math.max(untilS, toS);
  }
  return covered;
}

function percent(part: number, whole: number): number | null {
  return whole === 0 ? null : (100 * part) / whole;
}

function sumOrNull(left: number | null, right: number | null): number | null {
  return left === null || right === null ? null : left + right;
}
