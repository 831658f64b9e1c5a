// What the threads achieved: times, speed-ups, and the law that describes them.
import { LineChart } from '@/components/LineChart';
import { formatRate, formatSeconds } from '@/figures';
import { amdahl, fitAmdahl, type Law } from '@/views/experiments/amdahl';
import type { Timing } from '@/views/experiments/scaling';

/** A law whose speed-ups are so far off, as a root mean square, does not describe the measured ones. */
const TOO_FAR = 0.25;

interface ScalingOutcomeProps {
  readonly picture: string;
  readonly timings: readonly Timing[];
}

/** Charts and a table of one experiment. */
export function ScalingOutcome({ picture, timings }: ScalingOutcomeProps) {
  const law = fitAmdahl(timings);
  const most = Math.max(...timings.map(({ threads }) => threads));
  const axes = { xTitle: 'threads', xMin: 0, xMax: most, formatX: wholeOnly };
  return (
    <div class="stack" aria-live="polite">
      <p>
        <strong>{picture}</strong>: <LawSentence law={law} />
      </p>
      <div class="grid experiments-charts">
        <LineChart
          title="Execution time"
          {...axes}
          formatY={formatFine}
          series={[
            series('median', timings, ({ kernelS }) => kernelS),
            { ...series('fastest', timings, ({ kernelMinS }) => kernelMinS), colour: 3 },
          ]}
        />
        <LineChart
          title="Speed-up"
          {...axes}
          formatY={formatRate}
          series={[
            series('measured', timings, ({ speedUp }) => speedUp),
            ...(law === null
              ? []
              : [curve("Amdahl's law", most, (n) => amdahl(law.parallel, n), 2)]),
            curve('ideal', most, (threads) => threads, 6),
          ]}
        />
      </div>
      <TimingTable timings={timings} />
    </div>
  );
}

function LawSentence({ law }: { law: Law | null }) {
  if (law === null) {
    return <>Amdahl's law needs 1 and at least two more numbers of threads.</>;
  }
  if (law.error > TOO_FAR) {
    return (
      <>
        by Amdahl's law {(100 * law.parallel).toFixed(1)} % of the kernel's work is parallel, but
        the measured speed-ups do not follow it ({law.error.toFixed(2)} off on average). Threads
        share cores, the machine was busy, or the picture is too small to be shared.
      </>
    );
  }
  return (
    <>
      by Amdahl's law {(100 * law.parallel).toFixed(1)} % of the kernel's work is parallel
      {law.most === Number.POSITIVE_INFINITY
        ? ''
        : `, so no number of threads makes it more than ${law.most.toFixed(1)} times as fast`}
      . Threads beyond the cores of the replica's machine share them, which the law does not know.
    </>
  );
}

function TimingTable({ timings }: { timings: readonly Timing[] }) {
  return (
    <div class="scroll-x" tabIndex={0} role="region" aria-label="Times by threads">
      <table class="table">
        <thead>
          <tr>
            {['Threads', 'Median', 'Fastest', 'Speed-up', 'Efficiency', 'Megapixels/s'].map(
              (title) => (
                <th key={title} scope="col" class="number">
                  {title}
                </th>
              ),
            )}
          </tr>
        </thead>
        <tbody>
          {timings.map((timing) => (
            <tr key={timing.threads}>
              <td class="number">{timing.threads}</td>
              <td class="number">{formatFine(timing.kernelS)}</td>
              <td class="number">{formatFine(timing.kernelMinS)}</td>
              <td class="number">{timing.speedUp.toFixed(2)}</td>
              <td class="number">{((100 * timing.speedUp) / timing.threads).toFixed(0)} %</td>
              <td class="number">{formatRate(timing.megapixelsPerS)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function series(name: string, timings: readonly Timing[], of: (timing: Timing) => number) {
  return {
    name,
    hasPoints: true,
    points: timings.map((timing) => ({ x: timing.threads, y: of(timing) })),
  };
}

function curve(name: string, most: number, of: (threads: number) => number, colour: number) {
  const points = Array.from({ length: most }, (_, index) => ({ x: index + 1, y: of(index + 1) }));
  return { name, points, colour, isDashed: true };
}

function wholeOnly(threads: number): string {
  return Number.isInteger(threads) ? String(threads) : '';
}

/** Return a duration with three digits: kernels of small pictures take parts of a millisecond. */
function formatFine(seconds: number): string {
  return seconds > 0 && seconds < 0.01
    ? `${(seconds * 1000).toPrecision(3)} ms`
    : formatSeconds(seconds);
}
