// Prometheus' text format (exposition format 0.0.4), as far as a page needs it.

/** One sample: `name{label="value"} 1.5`. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A histogram's buckets: how many observations were at most `upTo`, cumulated. */
export interface Bucket {
  /** Infinity for the last. */
  readonly upTo: number;
  readonly count: number;
}

/** A line is a name, labels in braces or none, a value, and a moment that nobody needs. */
const LINE =
  /^([a-zA-Z_:][\w:]*)\s*(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})?\s+(\S+)(?:\s+-?\d+)?\s*$/;
const LABEL = /([a-zA-Z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"/g;

/** Read the samples of a text; lines that are none are left out. */
export function parseMetrics(text: string): Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const found = LINE.exec(line);
    if (found === null) continue;
    const [, name = '', labels = '', value = ''] = found;
    samples.push({ name, labels: parseLabels(labels), value: parseValue(value) });
  }
  return samples;
}

/** Return the sum of all samples of this name that bear these labels; 0 when there is none. */
export function sumOf(
  samples: readonly Sample[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const wanted = Object.entries(labels);
  return samples
    .filter(
      (each) => each.name === name && wanted.every(([key, text]) => each.labels[key] === text),
    )
    .reduce((sum, { value }) => sum + value, 0);
}

/** Return the values of all samples of this name by one of their labels; those alike are added. */
export function valuesBy(
  samples: readonly Sample[],
  name: string,
  label: string,
): Record<string, number> {
  const values: Record<string, number> = {};
  for (const each of samples) {
    if (each.name !== name) continue;
    const key = each.labels[label] ?? '';
    values[key] = (values[key] ?? 0) + each.value;
  }
  return values;
}

/** Return a histogram's buckets by their bounds; those of different labels are added. */
export function bucketsOf(samples: readonly Sample[], name: string): Bucket[] {
  const counts = new Map<number, number>();
  for (const each of samples) {
    if (each.name !== `${name}_bucket`) continue;
    const upTo = parseValue(each.labels['le'] ?? '');
    counts.set(upTo, (counts.get(upTo) ?? 0) + each.value);
  }
  return [...counts].map(([upTo, count]) => ({ upTo, count })).sort((a, b) => a.upTo - b.upTo);
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [, name = '', value = ''] of text.matchAll(LABEL)) {
    labels[name] = value.replace(/\\(.)/g, (_, letter: string) => (letter === 'n' ? '\n' : letter));
  }
  return labels;
}

function parseValue(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY;
  if (text === '-Inf') return Number.NEGATIVE_INFINITY;
  return Number(text);
}
