// How it is at this moment, and over the last minutes: large figures.
import type { StatusDocument } from '@/api/service_types';
import {
  counted,
  formatBytes,
  formatCount,
  formatPercent,
  formatRate,
  formatSeconds,
} from '@/figures';
import type { WindowFigures } from '@/views/live/window';

interface NowProps {
  readonly status: StatusDocument;
  readonly figures: WindowFigures;
  /** Items that replicas have on hand, from all dispatchers. */
  readonly ongoing: number;
}

/** What all dispatchers share, at this moment: told once, however many of them there are. */
export function Now({ status, figures, ongoing }: NowProps) {
  const { queue_metrics: queue, cache_metrics: cache, replicas } = status;
  const ready = replicas.filter(({ state }) => state === 'ready').length;
  return (
    <section class="card stack" aria-labelledby="live-now">
      <h2 id="live-now">Now</h2>
      <dl class="figures">
        <Figure name="Waiting" hint={`of ${formatCount(queue.queue_capacity)}`}>
          {formatCount(status.queue_size)}
        </Figure>
        <Figure name="Oldest waits for">{formatSeconds(queue.oldest_age)}</Figure>
        <Figure name="In work">{formatCount(ongoing)}</Figure>
        <Figure name="Replicas ready" hint={`of ${formatCount(replicas.length)}`}>
          {formatCount(ready)}
        </Figure>
        <Figure name="Known results" hint={`${formatPercent(cache.utilization)} of the cache`}>
          {formatCount(cache.size)}
        </Figure>
        <Figure name="Pictures kept" hint={counted(status.stored_results, 'result')}>
          {formatBytes(status.storage_metrics.blob_bytes)}
        </Figure>
      </dl>
      <Window figures={figures} />
    </section>
  );
}

function Window({ figures }: { figures: WindowFigures }) {
  const { counts, latency } = figures;
  return (
    <>
      <h3>
        {figures.knownS === 0
          ? 'The last minutes: known from the next look on'
          : `The last ${formatSeconds(Math.round(figures.knownS))}`}
      </h3>
      <dl class="figures">
        <Figure name="Throughput" hint="completed a second">
          {formatRate(figures.throughput)}
        </Figure>
        <Figure name="p50 latency">{formatSeconds(latency.p50S)}</Figure>
        <Figure name="p95 latency">{formatSeconds(latency.p95S)}</Figure>
        <Figure name="p99 latency">{formatSeconds(latency.p99S)}</Figure>
        <Figure
          name="Error rate"
          hint={`${formatCount(counts.failed)} failed, ${formatCount(counts.expired)} expired`}
        >
          {formatPercent(figures.errorRate)}
        </Figure>
        <Figure
          name="Answered by the cache"
          hint={`${formatCount(counts.hits)} hits, ${formatCount(counts.misses)} misses, ${formatCount(counts.coalesced)} coalesced`}
        >
          {formatPercent(figures.hitRate)}
        </Figure>
      </dl>
    </>
  );
}

/** One figure with its name, and a quieter line below. */
export function Figure(props: { name: string; hint?: string; children: string }) {
  return (
    <div>
      <dt>{props.name}</dt>
      <dd>{props.children}</dd>
      {props.hint === undefined ? null : <dd class="live-hint">{props.hint}</dd>}
    </div>
  );
}
