// Where a job's time went, as spans one after the other.
import type { JobDocument, StepRun } from '@/api/types';

/** A stretch of a job's life. */
export interface Span {
  readonly name: string;
  readonly kind: 'queue' | 'step' | 'tile' | 'rest';
  /** Since the job was accepted, in seconds. */
  readonly startS: number;
  readonly lengthS: number;
  /** Who computed it; null when nobody did. */
  readonly replica: string | null;
  readonly isFromCache: boolean;
}

/** What is shorter than this is the rounding of the figures. */
const LEAST_REST_S = 0.0005;

/**
 * Return the spans of a job: waiting, each step with its tiles when they ran, and what came after
 * the last of them. Between two spans it was sent, tried again, or waited for a replica.
 *
 * A step of which it is not known when it began is taken to follow the one before it.
 */
export function spansOf(job: JobDocument): Span[] {
  const queueS = job.queue_time ?? 0;
  const spans: Span[] = [];
  if (queueS > 0) spans.push(span('waiting', 'queue', 0, queueS));
  let atS = queueS;
  for (const step of job.steps) {
    const startS = step.start ?? atS;
    spans.push(
      span(
        nameOf(step, job.steps),
        'step',
        startS,
        step.time,
        step.replica,
        step.from_cache === true,
      ),
    );
    atS = startS + step.time;
    for (const tile of step.tiles ?? []) {
      const name = `${step.type}, tile ${tile.tile + 1}`;
      const beganS = tile.start ?? startS;
      spans.push(span(name, 'tile', beganS, tile.time, tile.replica));
      atS = Math.max(atS, beganS + tile.time);
    }
  }
  const restS = queueS + (job.processing_time ?? 0) - atS;
  if (restS > LEAST_REST_S) spans.push(span('joining, storing', 'rest', atS, restS));
  return spans;
}

/** Return a replica's address as it is short to read: host and port. */
export function shortReplica(replica: string | null): string {
  return replica === null ? '' : replica.replace(/^\w+:\/\//, '').replace(/\/.*$/, '');
}

function nameOf(step: StepRun, all: readonly StepRun[]): string {
  const isOnly = all.filter(({ type }) => type === step.type).length === 1;
  return isOnly ? step.type : `${step.type} (${step.id})`;
}

function span(
  name: string,
  kind: Span['kind'],
  startS: number,
  lengthS: number,
  replica: string | null = null,
  isFromCache = false,
): Span {
  return { name, kind, startS, lengthS, replica, isFromCache };
}
