import { describe, expect, it } from 'vitest';
import type { JobDocument, StepRun } from '@/api/types';
import { shortReplica, spansOf } from '@/components/job/stage_times';

function job(queue: number | null, processing: number | null, ...steps: StepRun[]): JobDocument {
  return { queue_time: queue, processing_time: processing, steps } as unknown as JobDocument;
}

function step(type: string, time: number, more: Partial<StepRun> = {}): StepRun {
  return { id: type, type, time, replica: 'http://127.0.0.1:5001', ...more };
}

describe('where the time of a job went', () => {
  it('is told in the order in which it passed', () => {
    const spans = spansOf(job(0.5, 1, step('resize', 0.25), step('blur', 0.5)));
    expect(spans.map(({ name, startS, lengthS }) => [name, startS, lengthS])).toEqual([
      ['waiting', 0, 0.5],
      ['resize', 0.5, 0.25],
      ['blur', 0.75, 0.5],
      ['joining, storing', 1.25, 0.25],
    ]);
  });

  it('is told where it was, with the gaps between', () => {
    const tiles = [1.5, 2].map((start, tile) => ({
      tile,
      rows: 8,
      start,
      time: 0.25,
      replica: 'b',
      attempts: 1,
    }));
    const late = step('sobel', 0.25, { start: 1.5, tiles });
    const spans = spansOf(job(0.5, 2, step('resize', 0.25, { start: 0.75 }), late));
    expect(spans.map(({ name, startS, lengthS }) => [name, startS, lengthS])).toEqual([
      ['waiting', 0, 0.5],
      ['resize', 0.75, 0.25],
      ['sobel', 1.5, 0.25],
      ['sobel, tile 1', 1.5, 0.25],
      ['sobel, tile 2', 2, 0.25],
      ['joining, storing', 2.25, 0.25],
    ]);
  });

  it('shows tiles side by side', () => {
    const tiles = [0.2, 0.3].map((time, tile) => ({
      tile,
      rows: 8,
      time,
      replica: 'b',
      attempts: 1,
    }));
    const spans = spansOf(job(0, 0.4, step('sobel', 0.4, { tiles })));
    expect(spans.map(({ kind, startS }) => [kind, startS])).toEqual([
      ['step', 0],
      ['tile', 0],
      ['tile', 0],
    ]);
  });

  it('names steps of one type apart', () => {
    const spans = spansOf(job(0, 2, step('blur', 1, { id: '0' }), step('blur', 1, { id: '1' })));
    expect(spans.map(({ name }) => name)).toEqual(['blur (0)', 'blur (1)']);
  });

  it('is nothing for a job that has not run', () => {
    expect(spansOf(job(null, null))).toEqual([]);
  });

  it('names a replica by host and port', () => {
    expect(shortReplica('http://10.0.0.7:5000/process')).toBe('10.0.0.7:5000');
    expect(shortReplica(null)).toBe('');
  });
});
