// Bars beside names.
import type { ChartConfiguration } from 'chart.js';
import { Chart } from '@/components/Chart';
import { type Axes, chartOptions, seriesColour } from '@/components/chart_options';

/** Bars of one colour. */
export interface BarSeries {
  readonly name: string;
  /** One for each label. */
  readonly values: readonly number[];
  readonly colour?: number;
}

interface BarChartProps extends Axes {
  readonly title: string;
  readonly hasHeading?: boolean;
  readonly summary?: string;
  readonly labels: readonly string[];
  readonly series: readonly BarSeries[];
  /** Whether bars of one label stand on each other. */
  readonly isStacked?: boolean;
  readonly height?: number;
}

/** A chart of bars. */
export function BarChart(props: BarChartProps) {
  const {
    title,
    hasHeading = true,
    summary,
    labels,
    series,
    isStacked = false,
    height = 220,
  } = props;
  const { formatY = String } = props;
  return (
    <Chart
      title={title}
      hasHeading={hasHeading}
      {...(summary === undefined ? {} : { summary })}
      height={height}
      configure={() => configuration(labels, series, props, isStacked)}
      table={{
        columns: [props.xTitle ?? '', ...series.map(({ name }) => name)],
        rows: labels.map((label, row) => [
          label,
          ...series.map(({ values }) => formatY(values[row] ?? Number.NaN)),
        ]),
      }}
    />
  );
}

function configuration(
  labels: readonly string[],
  series: readonly BarSeries[],
  axes: Axes,
  isStacked: boolean,
): ChartConfiguration {
  const options = chartOptions(axes, { hasLegend: series.length > 1, isLinearX: false });
  for (const scale of Object.values(options.scales ?? {})) {
    Object.assign(scale as object, { stacked: isStacked });
  }
  return {
    type: 'bar',
    data: {
      labels: [...labels],
      datasets: series.map((each, index) => ({
        label: each.name,
        data: [...each.values],
        backgroundColor: seriesColour(each, index),
        borderRadius: 3,
        maxBarThickness: 44,
      })),
    },
    options,
  };
}
