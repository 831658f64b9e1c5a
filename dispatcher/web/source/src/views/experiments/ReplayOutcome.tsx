// How a replay goes: target, sent and completed, second by second.
import { LineChart } from '@/components/LineChart';
import { formatCount, formatSeconds } from '@/figures';
import type { Second } from '@/views/experiments/replay_figures';
import type { ReplayState } from '@/views/experiments/replay_run';

/** Beyond this, what was sent is not the schedule any more. */
const LATE_S = 0.25;

/** Figures and a chart of a replay, while it runs and afterwards. */
export function ReplayOutcome({ state }: { state: ReplayState }) {
  const { figures, seconds, isRunning, lengthS, atS } = state;
  const now = Math.floor(atS);
  const past = (of: (second: Second) => number) =>
    seconds.map((second) => ({
      x: second.atS,
      y: isRunning && second.atS > now ? null : of(second),
    }));
  return (
    <div class="stack">
      <p role="status">
        {isRunning
          ? 'The replay runs.'
          : `The replay has ended: ${formatCount(figures.completed)} of ${formatCount(figures.target)} completed.`}
      </p>
      <dl class="figures">
        <Figure name="Target" count={figures.target} />
        <Figure name="Sent" count={figures.sent} />
        <Figure name="Completed" count={figures.completed} />
        <Figure name="Failed" count={figures.failed} />
        <Figure name="Under way" count={figures.underWay} />
      </dl>
      {figures.reasons.length === 0 ? null : (
        <p class="small">
          Not completed:{' '}
          {figures.reasons.map(([code, count]) => `${code} (${formatCount(count)})`).join(', ')}
        </p>
      )}
      {figures.latestS > LATE_S ? (
        <p class="small">
          The browser sent up to {formatSeconds(figures.latestS)} late: this machine could not keep
          to the schedule.
        </p>
      ) : null}
      <LineChart
        title="Pictures by second"
        xTitle="seconds since the start"
        xMin={0}
        xMax={Math.max(lengthS, seconds.length) - 1}
        formatY={formatCount}
        yAtLeast={2}
        series={[
          {
            name: 'target',
            points: seconds.map(({ atS: x, target }) => ({ x, y: target })),
            isDashed: true,
            colour: 6,
          },
          { name: 'sent', points: past(({ sent }) => sent), colour: 1 },
          { name: 'completed', points: past(({ completed }) => completed), colour: 2 },
          { name: 'failed', points: past(({ failed }) => failed), colour: 4 },
        ]}
      />
    </div>
  );
}

function Figure({ name, count }: { name: string; count: number }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{formatCount(count)}</dd>
    </div>
  );
}
