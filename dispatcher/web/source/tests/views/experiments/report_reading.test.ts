import { describe, expect, it } from 'vitest';
import { readReport } from '@/views/experiments/report_reading';

const REPORT = {
  version: 2,
  run: { started_at: '2025-06-25T11:22:41.5', length_s: 3, targets: ['http://h'], command: 'x' },
  interrupted: false,
  verdict: { level: 'suspect', reasons: [{ level: 'suspect', sentence: 'The core was busy.' }] },
  objectives: [{ objective: 'p95<1s', status: 'met', told: 0.5, sentence: 'p95<1s: met' }],
  counts: { scheduled: 3, ok: 2, failed: 1 },
  discrepancies: ['scheduled 3 is not 4'],
  reasons: { 'failed:timeout': 1 },
  latency: { end_to_end: { count: 2, p50_s: 0.25, p95_s: null, max_s: 0.5 } },
  throughput: { target_per_s: 1, goodput_per_s: 0.5 },
  width_s: 1,
  seconds: [{ at_s: 0, target: 3, due: 3, sent: 3, completed: 2, failed: 1 }],
  window_s: 1,
  windows: [{ at_s: 0, ok: 2, failed: 1, p50_s: 0.25, p95_s: null, p99_s: null, max_s: 0.5 }],
};

describe('a report', () => {
  it('is read with what speaks against it', () => {
    const read = readReport(JSON.stringify(REPORT));
    expect(read).toMatchObject({
      ok: true,
      report: {
        verdict: 'suspect',
        reasons: ['The core was busy.', 'scheduled 3 is not 4'],
        rows: [{ atS: 0, target: 3, sent: 3, completed: 2, failed: 1 }],
        windows: [{ atS: 0, p50S: 0.25, p95S: null, p99S: null, maxS: 0.5 }],
        errors: [['failed:timeout', 1]],
        goodputPerS: 0.5,
      },
    });
    const latency = read.ok ? Object.fromEntries(read.report.latency) : {};
    expect(latency).toMatchObject({ p50: 0.25, p95: null, 'p99.9': null, max: 0.5 });
  });

  it.each([
    ['{', 'no JSON'],
    ['[]', 'no report'],
    ['{"version": 2}', 'no report'],
    [JSON.stringify({ ...REPORT, version: 9 }), 'format 9'],
  ])('that is none is said: %s', (text, words) => {
    const read = readReport(text);
    expect(read.ok ? '' : read.error).toContain(words);
  });

  it('with odd values is read as far as it goes', () => {
    const odd = { ...REPORT, run: null, seconds: [null, 'x'], counts: [1], verdict: 3 };
    const read = readReport(JSON.stringify(odd));
    expect(read).toMatchObject({ ok: true, report: { startedAt: '', verdict: '', counts: [] } });
  });
});
