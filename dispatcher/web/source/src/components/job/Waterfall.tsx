// Where a job's time went: one bar for each span, from left to right.
import type { ChartConfiguration } from 'chart.js';
import type { JobDocument } from '@/api/types';
import { Chart } from '@/components/Chart';
import { chartOptions, token } from '@/components/chart_options';
import { type Span, shortReplica, spansOf } from '@/components/job/stage_times';
import { formatSeconds } from '@/figures';

const COLOURS: Readonly<Record<Span['kind'], string>> = {
  queue: '--chart-6',
  step: '--chart-1',
  tile: '--chart-2',
  rest: '--border-control',
};
const ROW_PX = 26;
const AXIS_PX = 34;

/** The time of a job, span by span. */
export function Waterfall({ job }: { job: JobDocument }) {
  const spans = spansOf(job);
  if (spans.length === 0) {
    return (
      <p class="muted">
        {job.from_cache ? 'Served from the cache: nothing was computed.' : 'No step has run.'}
      </p>
    );
  }
  return (
    <Chart
      title="Time by stage"
      summary={spans.map((each) => `${each.name} ${formatSeconds(each.lengthS)}`).join(', ')}
      height={spans.length * ROW_PX + AXIS_PX}
      configure={() => configuration(spans)}
      table={{
        columns: ['Stage', 'Began after', 'Took', 'Replica'],
        rows: spans.map((each) => [
          each.name,
          formatSeconds(each.startS),
          `${formatSeconds(each.lengthS)}${each.isFromCache ? ' (shared)' : ''}`,
          shortReplica(each.replica),
        ]),
      }}
    />
  );
}

function configuration(spans: readonly Span[]): ChartConfiguration {
  const base = chartOptions({}, { hasLegend: false, isLinearX: false });
  const { x, y } = base.scales ?? {};
  const seconds = {
    ...y,
    type: 'linear' as const,
    ticks: { ...y?.ticks, callback: (value: string | number) => formatSeconds(Number(value)) },
  };
  return {
    type: 'bar',
    data: {
      labels: spans.map(({ name }) => name),
      datasets: [
        {
          label: 'Time',
          data: spans.map(({ startS, lengthS }) => [startS, startS + lengthS] as [number, number]),
          backgroundColor: spans.map(({ kind }) => token(COLOURS[kind])),
          borderRadius: 3,
          barThickness: 14,
          minBarLength: 2,
        },
      ],
    },
    options: {
      ...base,
      indexAxis: 'y',
      plugins: {
        ...base.plugins,
        tooltip: {
          ...base.plugins?.tooltip,
          callbacks: { label: ({ dataIndex }) => textOf(spans[dataIndex]) },
        },
      },
      scales: { x: seconds, y: { ...x, type: 'category' } },
    } as NonNullable<ChartConfiguration['options']>,
  };
}

function textOf(span: Span | undefined): string {
  if (span === undefined) return '';
  const by = span.replica === null ? '' : ` on ${shortReplica(span.replica)}`;
  return `${formatSeconds(span.lengthS)}${by}${span.isFromCache ? ', shared with another job' : ''}`;
}
