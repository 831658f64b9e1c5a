import { describe, expect, it } from 'vitest';
import { bucketsOf, parseMetrics, sumOf, valuesBy } from '@/views/live/metrics_text';

const TEXT = `# HELP dispatcher_jobs_total Jobs by what became of them.
# TYPE dispatcher_jobs_total counter
dispatcher_jobs_total{outcome="completed"} 12.0
dispatcher_jobs_total{outcome="failed"} 1.0
dispatcher_replicas{step="a/0",state="ready"} 2.0
dispatcher_replicas{step="b/0",state="ready"} 3.0 1795369200000
dispatcher_queue_depth 1.5e+02
odd_total{text="a \\"b\\", {c}\\\\ d\\n"} 4
latency_seconds_bucket{le="0.1"} 3.0
latency_seconds_bucket{le="+Inf"} 5.0
latency_seconds_count 5.0
this is no sample
`;

describe('the text of /metrics', () => {
  const samples = parseMetrics(TEXT);

  it('is read sample by sample; what is none is left out', () => {
    expect(samples).toHaveLength(9);
    expect(samples[0]).toEqual({
      name: 'dispatcher_jobs_total',
      labels: { outcome: 'completed' },
      value: 12,
    });
  });

  it('may hold quotes, braces and line ends in labels', () => {
    const odd = samples.find(({ name }) => name === 'odd_total');
    expect(odd).toEqual({ name: 'odd_total', labels: { text: 'a "b", {c}\\ d\n' }, value: 4 });
  });

  it('is summed by name and by labels', () => {
    expect(sumOf(samples, 'dispatcher_replicas')).toBe(5);
    expect(sumOf(samples, 'dispatcher_replicas', { step: 'b/0' })).toBe(3);
    expect(sumOf(samples, 'dispatcher_queue_depth')).toBe(150);
    expect(sumOf(samples, 'unknown')).toBe(0);
    expect(valuesBy(samples, 'dispatcher_jobs_total', 'outcome')).toEqual({
      completed: 12,
      failed: 1,
    });
  });

  it('gives the buckets of a histogram in order', () => {
    expect(bucketsOf(samples, 'latency_seconds')).toEqual([
      { upTo: 0.1, count: 3 },
      { upTo: Number.POSITIVE_INFINITY, count: 5 },
    ]);
  });
});
