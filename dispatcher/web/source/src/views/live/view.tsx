// The view "Live": how the service is, at this moment and over the last minutes.
import { ProblemNote } from '@/components/ProblemNote';
import { formatRate, formatSeconds } from '@/figures';
import { usePolling } from '@/state/polling';
import type { StatusDocument } from '@/api/service_types';
import { Dispatchers } from '@/views/live/Dispatchers';
import { Lines } from '@/views/live/Lines';
import { Figure, Now } from '@/views/live/Now';
import { Replicas } from '@/views/live/Replicas';
import { EVERY_S } from '@/views/live/readings';
import { history, look, WINDOWS_S, windowS } from '@/views/live/watching';
import { figuresOf, presentOnes, slotsOf } from '@/views/live/window';
import '@/views/live/live.css';

/** The view. */
export default function View() {
  const polled = usePolling(look, { everyS: EVERY_S });
  const seen = polled.data.value;
  const problem = polled.problem.value;
  return (
    <div class="view">
      <header class="view-head">
        <h1>Live</h1>
        <WindowChoice />
      </header>
      {problem === null || problem.isPassing || problem.isAboutKey ? null : (
        <ProblemNote problem={problem} />
      )}
      {seen === null ? (
        <p class="muted">Asking the service …</p>
      ) : (
        <Figures status={seen.status} nowS={seen.atS} />
      )}
    </div>
  );
}

function Figures({ status, nowS }: { status: StatusDocument; nowS: number }) {
  const readings = history.value;
  const length = windowS.value;
  const present = presentOnes(readings, nowS);
  const ongoing = present.reduce((sum, each) => sum + each.ongoing, 0);
  return (
    <>
      <Now status={status} figures={figuresOf(readings, length, nowS)} ongoing={ongoing} />
      <Lines
        slots={slotsOf(readings, length, nowS)}
        history={readings}
        windowS={length}
        nowS={nowS}
      />
      <Replicas replicas={status.replicas} isToldByOneOfSeveral={present.length > 1} />
      <Dispatchers history={readings} />
      <AsTold status={status} />
    </>
  );
}

function WindowChoice() {
  return (
    <fieldset class="segments live-window">
      <legend class="visually-hidden">How far back</legend>
      {WINDOWS_S.map((seconds) => (
        <label key={seconds}>
          <input
            type="radio"
            name="live-window"
            checked={windowS.value === seconds}
            onChange={() => (windowS.value = seconds)}
          />
          {seconds / 60} min
        </label>
      ))}
    </fieldset>
  );
}

/** The service's own reckoning, as `GET /status` has it. */
function AsTold({ status }: { status: StatusDocument }) {
  const { performance_metrics: performance, health_metrics: health } = status;
  return (
    <section class="card stack" aria-labelledby="live-told">
      <h2 id="live-told">As the dispatcher itself reckons</h2>
      <p class="muted small">
        From <code>GET /status</code>: throughput over its last minute, latencies of its latest
        jobs. Behind a balancer it is the dispatcher that answered last.
      </p>
      <dl class="figures">
        <Figure name="Throughput">{formatRate(performance.throughput)}</Figure>
        <Figure name="p50">{formatSeconds(performance.p50_latency)}</Figure>
        <Figure name="p95">{formatSeconds(performance.p95_latency)}</Figure>
        <Figure name="p99">{formatSeconds(performance.p99_latency)}</Figure>
        <Figure name="Mean wait">{formatSeconds(performance.avg_queue_time)}</Figure>
        <Figure name="Mean work">{formatSeconds(performance.avg_processing_time)}</Figure>
        <Figure name="Errors">{`${health.error_rate} %`}</Figure>
        <Figure name="Up for">{formatSeconds(health.uptime)}</Figure>
      </dl>
    </section>
  );
}
