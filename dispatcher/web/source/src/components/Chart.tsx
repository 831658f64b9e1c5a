// A chart, and the same figures as a table for whoever does not see it.
import type { ChartConfiguration } from 'chart.js';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Chart as Drawn } from '@/components/chart_engine';
import { isDark } from '@/state/theme';

/** The figures of a chart in rows. */
export interface ChartTable {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

interface ChartProps {
  /** What is shown: the chart's accessible name, and its heading unless it is hidden. */
  readonly title: string;
  readonly hasHeading?: boolean;
  /** One sentence that says what is to be seen, for screen readers. */
  readonly summary?: string;
  /** Called whenever it is drawn anew; colours are read there. */
  readonly configure: () => ChartConfiguration;
  readonly table: ChartTable;
  /** In pixels. */
  readonly height?: number;
}

type Engine = typeof import('@/components/chart_engine');

/** A chart; `LineChart` and `BarChart` are easier to use. */
export function Chart({
  title,
  hasHeading = true,
  summary,
  configure,
  table,
  height = 220,
}: ChartProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const drawn = useRef<Drawn | null>(null);
  const [engine, setEngine] = useState<Engine | null>(null);
  const dark = isDark.value;
  useEffect(() => {
    let isWanted = true;
    void import('@/components/chart_engine').then((loaded) => isWanted && setEngine(loaded));
    return () => {
      isWanted = false;
    };
  }, []);
  useEffect(() => {
    if (engine === null || canvas.current === null) return;
    drawn.current = new engine.Chart(canvas.current, configure());
    return () => {
      drawn.current?.destroy();
      drawn.current = null;
    };
  }, [engine, dark]);
  useEffect(() => {
    if (drawn.current === null) return;
    const { data, options } = configure();
    drawn.current.data = data;
    if (options !== undefined) drawn.current.options = options;
    drawn.current.update('none');
  });
  return (
    <figure class="chart">
      {hasHeading ? <figcaption class="chart-title">{title}</figcaption> : null}
      <div class="chart-frame" style={{ height: `${height}px` }}>
        <canvas
          ref={canvas}
          role="img"
          aria-label={summary === undefined ? title : `${title}. ${summary}`}
        />
      </div>
      <FiguresTable title={title} table={table} />
    </figure>
  );
}

function FiguresTable({ title, table }: { title: string; table: ChartTable }) {
  const [isOpen, setIsOpen] = useState(false);
  return (
    <details class="chart-table" onToggle={(event) => setIsOpen(event.currentTarget.open)}>
      <summary>
        <span class="visually-hidden">{title}: </span>as a table
      </summary>
      {isOpen ? (
        <div class="scroll-x" tabIndex={0} role="region" aria-label={`${title}: figures`}>
          <table class="table">
            <thead>
              <tr>
                {table.columns.map((column) => (
                  <th key={column} scope="col">
                    {column}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {table.rows.map((row) => (
                <tr key={row[0]}>
                  {row.map((cell, index) => (
                    <td key={index}>{cell}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
    </details>
  );
}
