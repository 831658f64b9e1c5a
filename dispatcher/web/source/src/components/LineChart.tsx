// Lines over a measured axis: time, threads, rate.
import type { ChartConfiguration } from 'chart.js';
import { Chart, type ChartTable } from '@/components/Chart';
import { type Axes, chartOptions, type Series, seriesColour } from '@/components/chart_options';

interface LineChartProps extends Axes {
  readonly title: string;
  readonly hasHeading?: boolean;
  readonly summary?: string;
  readonly series: readonly Series[];
  readonly height?: number;
}

/** A chart of lines; a gap in a line is a gap in what is known. */
export function LineChart({
  title,
  hasHeading = true,
  summary,
  series,
  height = 220,
  ...axes
}: LineChartProps) {
  return (
    <Chart
      title={title}
      hasHeading={hasHeading}
      {...(summary === undefined ? {} : { summary })}
      height={height}
      configure={() => configuration(series, axes)}
      table={tableOf(series, axes)}
    />
  );
}

function configuration(series: readonly Series[], axes: Axes): ChartConfiguration {
  const config: ChartConfiguration<'line'> = {
    type: 'line',
    data: {
      datasets: series.map((each, index) => {
        const colour = seriesColour(each, index);
        return {
          label: each.name,
          data: each.points.map(({ x, y }) => ({ x, y: y ?? Number.NaN })),
          borderColor: colour,
          backgroundColor: each.isFilled === true ? `${colour}22` : colour,
          fill: each.isFilled === true ? 'origin' : false,
          borderWidth: 2,
          borderDash: each.isDashed === true ? [5, 4] : [],
          pointRadius: each.hasPoints === true ? 3 : 0,
          pointHitRadius: 8,
          tension: 0,
        };
      }),
    },
    options: chartOptions(axes, { hasLegend: series.length > 1, isLinearX: true }) as NonNullable<
      ChartConfiguration<'line'>['options']
    >,
  };
  return config as ChartConfiguration;
}

function tableOf(series: readonly Series[], axes: Axes): ChartTable {
  const { formatX = String, formatY = String } = axes;
  const moments = [...new Set(series.flatMap(({ points }) => points.map(({ x }) => x)))];
  moments.sort((a, b) => a - b);
  const found = series.map(({ points }) => new Map(points.map(({ x, y }) => [x, y])));
  return {
    columns: [axes.xTitle ?? '', ...series.map(({ name }) => name)],
    rows: moments.map((x) => [
      formatX(x),
      ...found.map((values) => {
        const y = values.get(x);
        return y === undefined || y === null ? '–' : formatY(y);
      }),
    ]),
  };
}
