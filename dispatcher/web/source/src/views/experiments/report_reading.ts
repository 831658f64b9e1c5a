// A load tester's report.json (its format 2), read with care: it is a file from anywhere.

/** One second of a run, or more where the run was long. */
export interface ReportRow {
  readonly atS: number;
  /** Null in a closed loop, which has no plan. */
  readonly target: number | null;
  readonly sent: number;
  readonly completed: number;
  readonly failed: number;
}

/** Latencies of the images due within one window, in seconds; null where they were too few. */
export interface ReportWindow {
  readonly atS: number;
  readonly p50S: number | null;
  readonly p95S: number | null;
  readonly p99S: number | null;
  readonly maxS: number | null;
}

/** One objective, and what became of it. */
export interface ReportObjective {
  readonly objective: string;
  readonly status: string;
  readonly sentence: string;
}

/** What the page shows of a report. */
export interface Report {
  readonly startedAt: string;
  readonly lengthS: number | null;
  readonly command: string;
  readonly targets: readonly string[];
  readonly isInterrupted: boolean;
  /** `valid`, `suspect` or `invalid`. */
  readonly verdict: string;
  readonly reasons: readonly string[];
  readonly objectives: readonly ReportObjective[];
  /** Images by what became of them, in the report's order. */
  readonly counts: readonly (readonly [name: string, count: number])[];
  readonly errors: readonly (readonly [reason: string, count: number])[];
  /** End to end, in seconds; null where the images were too few. */
  readonly latency: readonly (readonly [name: string, seconds: number | null])[];
  readonly goodputPerS: number | null;
  readonly targetPerS: number | null;
  readonly rowWidthS: number;
  readonly rows: readonly ReportRow[];
  readonly windowWidthS: number;
  readonly windows: readonly ReportWindow[];
}

/** A report that was read, or why not. */
export type ReportRead =
  { readonly ok: true; readonly report: Report } | { readonly ok: false; readonly error: string };

type Fields = Readonly<Record<string, unknown>>;

const FORMAT_VERSION = 2;
const QUANTILES = ['p50', 'p90', 'p95', 'p99', 'p999', 'max'] as const;

/** Read the text of a report. */
export function readReport(text: string): ReportRead {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return { ok: false, error: 'This is no JSON: choose the report.json of a run.' };
  }
  const fields = fieldsOf(document);
  const isReport = ['run', 'verdict', 'counts', 'seconds', 'windows'].every((key) => key in fields);
  if (!isReport) {
    return { ok: false, error: 'This is no report of the load tester: choose its report.json.' };
  }
  if (fields['version'] !== FORMAT_VERSION) {
    const found = JSON.stringify(fields['version'] ?? null).slice(0, 40);
    return {
      ok: false,
      error: `The report has format ${found}; the page reads format ${FORMAT_VERSION}.`,
    };
  }
  return { ok: true, report: reportOf(fields) };
}

function reportOf(fields: Fields): Report {
  const run = fieldsOf(fields['run']);
  const verdict = fieldsOf(fields['verdict']);
  const rates = fieldsOf(fields['throughput']);
  return {
    startedAt: text(run['started_at']),
    lengthS: number(run['length_s']),
    command: text(run['command']),
    targets: listOf(run['targets']).map(text),
    isInterrupted: fields['interrupted'] === true,
    verdict: text(verdict['level']),
    reasons: [
      ...listOf(verdict['reasons']).map((reason) => text(fieldsOf(reason)['sentence'])),
      ...listOf(fields['discrepancies']).map(text),
    ],
    objectives: listOf(fields['objectives']).map(fieldsOf).map(objectiveOf),
    counts: numbersOf(fields['counts']),
    errors: numbersOf(fields['reasons']),
    latency: latencyOf(fieldsOf(fieldsOf(fields['latency'])['end_to_end'])),
    goodputPerS: number(rates['goodput_per_s']),
    targetPerS: number(rates['target_per_s']),
    rowWidthS: number(fields['width_s']) ?? 1,
    rows: listOf(fields['seconds']).map(fieldsOf).map(rowOf),
    windowWidthS: number(fields['window_s']) ?? 1,
    windows: listOf(fields['windows']).map(fieldsOf).map(windowOf),
  };
}

function objectiveOf(fields: Fields): ReportObjective {
  return {
    objective: text(fields['objective']),
    status: text(fields['status']),
    sentence: text(fields['sentence']),
  };
}

function rowOf(fields: Fields): ReportRow {
  return {
    atS: number(fields['at_s']) ?? 0,
    target: number(fields['target']),
    sent: number(fields['sent']) ?? 0,
    completed: number(fields['completed']) ?? 0,
    failed: number(fields['failed']) ?? 0,
  };
}

function windowOf(fields: Fields): ReportWindow {
  return {
    atS: number(fields['at_s']) ?? 0,
    p50S: number(fields['p50_s']),
    p95S: number(fields['p95_s']),
    p99S: number(fields['p99_s']),
    maxS: number(fields['max_s']),
  };
}

function latencyOf(spread: Fields): (readonly [string, number | null])[] {
  return QUANTILES.map((name) => [name === 'p999' ? 'p99.9' : name, number(spread[`${name}_s`])]);
}

function numbersOf(value: unknown): (readonly [string, number])[] {
  return Object.entries(fieldsOf(value)).flatMap(([name, count]) => {
    const known = number(count);
    return known === null ? [] : [[name, known] as const];
  });
}

function fieldsOf(value: unknown): Fields {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject ? (value as Fields) : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
