// How charts look: colours and sizes come from the style sheet, so both themes fit.
import type { ChartOptions } from 'chart.js';

/** A line of a chart. */
export interface Series {
  readonly name: string;
  /** Sorted by x; null leaves a gap. */
  readonly points: readonly { readonly x: number; readonly y: number | null }[];
  /** Which of the chart's colours, from 1 to 6; the position in the list unless given. */
  readonly colour?: number;
  /** Drawn dashed: a target or a model, not a measurement. */
  readonly isDashed?: boolean;
  /** Filled down to the axis. */
  readonly isFilled?: boolean;
  /** Drawn with points: few measurements, each of which counts. */
  readonly hasPoints?: boolean;
}

/** What both axes say. */
export interface Axes {
  readonly xTitle?: string;
  readonly yTitle?: string;
  readonly formatX?: (x: number) => string;
  readonly formatY?: (y: number) => string;
  readonly xMin?: number;
  readonly xMax?: number;
  /** The y axis reaches at least so far; it begins at 0. */
  readonly yAtLeast?: number;
}

/** Return a colour of the style sheet: `token('--chart-1')`. */
export function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Return the colour of a series. */
export function seriesColour(series: Pick<Series, 'colour'>, index: number): string {
  return token(`--chart-${series.colour ?? (index % 6) + 1}`);
}

/** Return the options that all charts share. */
export function chartOptions(
  axes: Axes,
  { hasLegend, isLinearX }: { hasLegend: boolean; isLinearX: boolean },
): ChartOptions {
  const muted = token('--text-muted');
  const font = { family: token('--font'), size: 12 };
  const titled = (text: string | undefined) => ({
    display: text !== undefined,
    text: text ?? '',
    color: muted,
    font,
  });
  const ticks = (format: ((value: number) => string) | undefined) => ({
    color: muted,
    font,
    maxRotation: 0,
    autoSkipPadding: 16,
    ...(format === undefined
      ? {}
      : { callback: (value: string | number) => format(Number(value)) }),
  });
  return {
    animation: false,
    responsive: true,
    maintainAspectRatio: false,
    normalized: true,
    interaction: { mode: 'index', intersect: false },
    plugins: {
      legend: {
        display: hasLegend,
        position: 'bottom',
        labels: {
          color: token('--text'),
          font,
          boxWidth: 10,
          boxHeight: 10,
          useBorderRadius: true,
          borderRadius: 2,
        },
      },
      tooltip: {
        backgroundColor: token('--text'),
        titleColor: token('--surface'),
        bodyColor: token('--surface'),
        titleFont: font,
        bodyFont: font,
        callbacks: tooltipTexts(axes, isLinearX),
      },
    },
    scales: {
      x: {
        ...(isLinearX ? { type: 'linear' as const } : {}),
        grid: { display: false },
        border: { color: token('--border') },
        ticks: isLinearX ? ticks(axes.formatX) : { color: muted, font, maxRotation: 0 },
        title: titled(axes.xTitle),
        ...(axes.xMin === undefined ? {} : { min: axes.xMin }),
        ...(axes.xMax === undefined ? {} : { max: axes.xMax }),
      },
      y: {
        beginAtZero: true,
        grid: { color: token('--border-soft') },
        border: { display: false },
        ticks: ticks(axes.formatY),
        title: titled(axes.yTitle),
        ...(axes.yAtLeast === undefined ? {} : { suggestedMax: axes.yAtLeast }),
      },
    },
  };
}

/** What a tooltip needs to know of a point. */
interface Shown {
  readonly dataset: { readonly label?: string | undefined };
  readonly parsed: { readonly x: number | null; readonly y: number | null };
}

function tooltipTexts({ formatX, formatY = String }: Axes, isLinearX: boolean) {
  const label = ({ dataset, parsed }: Shown): string =>
    `${dataset.label ?? ''}: ${parsed.y === null ? '–' : formatY(parsed.y)}`;
  if (!isLinearX || formatX === undefined) return { label };
  return { label, title: (items: Shown[]): string => formatX(items[0]?.parsed.x ?? 0) };
}
