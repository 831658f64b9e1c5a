// The last minutes as lines.
import { LineChart } from '@/components/LineChart';
import { formatCount, formatRate, formatSeconds } from '@/figures';
import type { Reading } from '@/views/live/readings';
import { gaugeOf, type Slot } from '@/views/live/window';

interface LinesProps {
  readonly slots: readonly Slot[];
  readonly history: readonly Reading[];
  readonly windowS: number;
  /** Unix seconds. */
  readonly nowS: number;
}

/** Throughput, latency, the queue and the cache over the window. */
export function Lines({ slots, history, windowS, nowS }: LinesProps) {
  const time = { xTitle: 'before now', formatX: formatAgo, xMin: -windowS, xMax: 0 };
  const line = (of: (slot: Slot) => number | null) =>
    slots.map((slot) => ({ x: slot.atS, y: of(slot) }));
  const gauge = (of: (reading: Reading) => number) => gaugeOf(history, windowS, nowS, of);
  return (
    <div class="grid live-charts">
      <section class="card">
        <LineChart
          title="Jobs a second"
          {...time}
          formatY={formatRate}
          yAtLeast={1}
          series={[
            { name: 'completed', points: line((slot) => slot.completed), isFilled: true },
            { name: 'failed or expired', points: line((slot) => slot.failed), colour: 4 },
          ]}
        />
      </section>
      <section class="card">
        <LineChart
          title="Latency"
          {...time}
          formatY={formatSeconds}
          summary="From acceptance to the end, estimated from the buckets of the service's histogram."
          series={[
            { name: 'p50', points: line((slot) => slot.latency.p50S), hasPoints: true },
            { name: 'p95', points: line((slot) => slot.latency.p95S), hasPoints: true },
            { name: 'p99', points: line((slot) => slot.latency.p99S), hasPoints: true },
          ]}
        />
      </section>
      <section class="card">
        <LineChart
          title="Jobs that wait"
          {...time}
          formatY={formatWhole}
          yAtLeast={4}
          series={[{ name: 'waiting', points: gauge(({ depth }) => depth), isFilled: true }]}
        />
      </section>
      <section class="card">
        <LineChart
          title="Age of the oldest that waits"
          {...time}
          formatY={formatSeconds}
          yAtLeast={1}
          series={[{ name: 'age', points: gauge(({ oldestAgeS }) => oldestAgeS), isFilled: true }]}
        />
      </section>
      <section class="card">
        <LineChart
          title="Cache, images a second"
          {...time}
          formatY={formatRate}
          yAtLeast={1}
          series={[
            { name: 'hits', points: line((slot) => slot.hits) },
            { name: 'misses', points: line((slot) => slot.misses) },
            { name: 'coalesced', points: line((slot) => slot.coalesced) },
          ]}
        />
      </section>
    </div>
  );
}

/** Return a moment before now: `−2:05`. */
function formatAgo(seconds: number): string {
  const whole = Math.round(-seconds);
  if (whole <= 0) return 'now';
  return `−${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

/** Return a count; nothing where an axis would have a half. */
function formatWhole(count: number): string {
  return Number.isInteger(count) ? formatCount(count) : '';
}
