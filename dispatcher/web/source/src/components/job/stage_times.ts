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
 * Return the spans of a job: waiting, each step, its tiles side by side, and what is left of its
 * processing time (sending, retries, putting together).
 *
 * Steps are told by how long they took, not when; they run one after the other.
 */
export function spansOf(job: JobDocument): Span[] {
  const queueS = job.queue_time ?? 0;
  const spans: Span[] = [];
  if (queueS > 0) spans.push(span('waiting', 'queue', 0, queueS));
  let atS = queueS;
  for (const step of job.steps) {
    spans.push(
      span(nameOf(step, job.steps), 'step', atS, step.time, step.replica, step.from_cache === true),
    );
    for (const tile of step.tiles ?? []) {
      const name = `${step.type}, tile ${tile.tile + 1}`;
      spans.push(span(name, 'tile', atS, tile.time, tile.replica));
    }
    atS += step.time;
  }
  const restS = queueS + (job.processing_time ?? 0) - atS;
  if (restS > LEAST_REST_S) spans.push(span('sending and storing', 'rest', atS, restS));
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
