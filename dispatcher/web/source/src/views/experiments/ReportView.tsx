// What a report says: whether it can be believed, counts, and how it went over time.
import { LineChart } from '@/components/LineChart';
import { StatusBadge } from '@/components/StatusBadge';
import { formatCount, formatDate, formatRate, formatSeconds, momentOf } from '@/figures';
import type { Report } from '@/views/experiments/report_reading';

const MOODS: Readonly<Record<string, string>> = {
  valid: 'ready',
  suspect: 'degraded',
  invalid: 'failed',
  met: 'ready',
  missed: 'failed',
};

/** One report. */
export function ReportView({ name, report }: { name: string; report: Report }) {
  return (
    <div class="stack" aria-live="polite">
      <div class="row">
        <h3>{name}</h3>
        <StatusBadge state={MOODS[report.verdict] ?? 'unknown'} label={report.verdict} />
        {report.isInterrupted ? <StatusBadge state="degraded" label="interrupted" /> : null}
      </div>
      <p class="muted small">
        {formatDate(momentOf(report.startedAt))}, {formatSeconds(report.lengthS)}, against{' '}
        {report.targets.join(', ')}
      </p>
      {report.command === '' ? null : <p class="mono">{report.command}</p>}
      <Sentences report={report} />
      <Figures report={report} />
      <Lines report={report} />
    </div>
  );
}

function Sentences({ report }: { report: Report }) {
  return (
    <>
      {report.reasons.length === 0 ? null : (
        <ul class="experiments-list" aria-label="What speaks against it">
          {report.reasons.map((reason) => (
            <li key={reason}>{reason}</li>
          ))}
        </ul>
      )}
      {report.objectives.length === 0 ? null : (
        <ul class="experiments-list" aria-label="Objectives">
          {report.objectives.map(({ objective, status, sentence }) => (
            <li key={objective}>
              <StatusBadge state={MOODS[status] ?? 'unknown'} label={status} /> {sentence}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

function Figures({ report }: { report: Report }) {
  const counts = report.counts.filter(([name, count]) => count > 0 || name === 'ok');
  return (
    <dl class="figures">
      {counts.map(([name, count]) => (
        <div key={name}>
          <dt>{name.replaceAll('_', ' ')}</dt>
          <dd>{formatCount(count)}</dd>
        </div>
      ))}
      {report.latency.map(([name, seconds]) => (
        <div key={name}>
          <dt>{name} latency</dt>
          <dd>{formatSeconds(seconds)}</dd>
        </div>
      ))}
      <div>
        <dt>Goodput a second</dt>
        <dd>{formatRate(report.goodputPerS)}</dd>
      </div>
      {report.errors.map(([reason, count]) => (
        <div key={reason}>
          <dt>{reason}</dt>
          <dd>{formatCount(count)}</dd>
        </div>
      ))}
    </dl>
  );
}

function Lines({ report }: { report: Report }) {
  const { rows, windows, rowWidthS } = report;
  const isOpenLoop = rows.some(({ target }) => target !== null);
  const per = rowWidthS === 1 ? 'second' : `${rowWidthS} s`;
  const time = { xTitle: 'seconds since the start', xMin: 0 };
  const row = (of: (each: (typeof rows)[number]) => number | null) =>
    rows.map((each) => ({ x: each.atS, y: of(each) }));
  const window = (of: (each: (typeof windows)[number]) => number | null) =>
    windows.map((each) => ({ x: each.atS, y: of(each) }));
  return (
    <div class="grid experiments-charts">
      <LineChart
        title="Latency over time"
        {...time}
        formatY={formatSeconds}
        series={[
          { name: 'p50', points: window(({ p50S }) => p50S), hasPoints: true },
          { name: 'p95', points: window(({ p95S }) => p95S), hasPoints: true },
          { name: 'p99', points: window(({ p99S }) => p99S), hasPoints: true },
          { name: 'longest', points: window(({ maxS }) => maxS), isDashed: true },
        ]}
      />
      <LineChart
        title={`Images by ${per}`}
        {...time}
        formatY={formatCount}
        series={[
          ...(isOpenLoop
            ? [{ name: 'target', points: row(({ target }) => target), isDashed: true }]
            : []),
          { name: 'sent', points: row(({ sent }) => sent) },
          { name: 'completed', points: row(({ completed }) => completed), isFilled: true },
          { name: 'failed', points: row(({ failed }) => failed) },
        ]}
      />
    </div>
  );
}
