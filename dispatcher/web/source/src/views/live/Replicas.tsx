// Who works: the replicas of each step, with what they have on hand.
import type { ReplicaDocument } from '@/api/service_types';
import { StatusBadge } from '@/components/StatusBadge';
import { counted, formatCount, formatSeconds, NONE } from '@/figures';
import { groupByStep, loadOf, type StepGroup } from '@/views/live/replicas';

/** A page with a thousand rows helps nobody; the first are those to look at. */
const MOST_ROWS = 40;

interface ReplicasProps {
  readonly replicas: readonly ReplicaDocument[];
  /** Whether there are dispatchers beside the one that tells of the replicas. */
  readonly isToldByOneOfSeveral: boolean;
}

/** All replicas by step. */
export function Replicas({ replicas, isToldByOneOfSeveral }: ReplicasProps) {
  const groups = groupByStep(replicas);
  return (
    <section class="card stack" aria-labelledby="live-replicas">
      <h2 id="live-replicas">Replicas</h2>
      {isToldByOneOfSeveral ? (
        <p class="muted small">
          All dispatchers use the same replicas. Load, served and errors are what the dispatcher
          that answered last has given them.
        </p>
      ) : null}
      {groups.length === 0 ? <p class="muted">There is none.</p> : null}
      {groups.map((group) => (
        <Step key={group.step} group={group} />
      ))}
    </section>
  );
}

function Step({ group }: { group: StepGroup }) {
  const { step, ready, ongoing, replicas } = group;
  const hidden = replicas.length - MOST_ROWS;
  return (
    <div class="live-step">
      <div class="row row-between">
        <h3>{step}</h3>
        <span class="muted small">
          {ready} of {counted(replicas.length, 'replica')} ready, {formatCount(ongoing)} in work
        </span>
      </div>
      <div class="scroll-x" tabIndex={0} role="region" aria-label={`Replicas of ${step}`}>
        <table class="table">
          <thead>
            <tr>
              <th scope="col">Replica</th>
              <th scope="col">State</th>
              <th scope="col">Load</th>
              <th scope="col" class="number">
                Batch size
              </th>
              <th scope="col" class="number">
                Served
              </th>
              <th scope="col" class="number">
                Errors
              </th>
              <th scope="col" class="number">
                Answer time
              </th>
            </tr>
          </thead>
          <tbody>
            {replicas.slice(0, MOST_ROWS).map((replica) => (
              <Row key={replica.url} replica={replica} />
            ))}
          </tbody>
        </table>
      </div>
      {hidden > 0 ? <p class="muted small">and {counted(hidden, 'more', 'more')}</p> : null}
    </div>
  );
}

function Row({ replica }: { replica: ReplicaDocument }) {
  const { url, state, ongoing, served, errors, ewma_latency: latency } = replica;
  return (
    <tr>
      <td class="mono">{url.replace(/^\w+:\/\//, '')}</td>
      <td>
        <StatusBadge state={state} />
      </td>
      <td>
        <div class="live-load">
          <span>{formatCount(ongoing)}</span>
          <div class="meter" aria-hidden="true">
            <span style={{ width: `${100 * loadOf(replica)}%` }} />
          </div>
        </div>
      </td>
      <td class="number">
        {replica.max_batch_size === undefined ? NONE : formatCount(replica.max_batch_size)}
      </td>
      <td class="number">{formatCount(served)}</td>
      <td class="number">{formatCount(errors)}</td>
      <td class="number">{formatSeconds(latency)}</td>
    </tr>
  );
}
