// What is counted since the start, by dispatcher: each tells of itself alone.
import { formatCount, formatDate } from '@/figures';
import { addCounts, type Counts, latestOfEach, type Reading } from '@/views/live/readings';

const COLUMNS: readonly (readonly [keyof Counts, string])[] = [
  ['completed', 'Completed'],
  ['failed', 'Failed'],
  ['expired', 'Expired'],
  ['cancelled', 'Cancelled'],
  ['hits', 'Cache hits'],
  ['misses', 'Misses'],
  ['coalesced', 'Coalesced'],
  ['bypassed', 'Not asked'],
];

/** A row for each dispatcher that has answered, and their sum where they are several. */
export function Dispatchers({ history }: { history: readonly Reading[] }) {
  const seen = latestOfEach(history);
  return (
    <section class="card stack" aria-labelledby="live-dispatchers">
      <h2 id="live-dispatchers">Since the start</h2>
      {seen.length > 1 ? (
        <p class="muted small">
          {formatCount(seen.length)} dispatchers have answered in turn, or one was restarted. Each
          counts for itself; queue, cache and replicas are shared, and told once.
        </p>
      ) : null}
      <div class="scroll-x" tabIndex={0} role="region" aria-label="Counts since the start">
        <table class="table">
          <thead>
            <tr>
              <th scope="col">Dispatcher started</th>
              {COLUMNS.map(([name, title]) => (
                <th key={name} scope="col" class="number">
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {seen.map(({ process, counts }) => (
              <Row key={process} name={startOf(process)} counts={counts} />
            ))}
            {seen.length > 1 ? (
              <Row name="All" counts={addCounts(seen.map(({ counts }) => counts))} />
            ) : null}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Row({ name, counts }: { name: string; counts: Counts }) {
  return (
    <tr>
      <td>{name}</td>
      {COLUMNS.map(([column]) => (
        <td key={column} class="number">
          {formatCount(counts[column])}
        </td>
      ))}
    </tr>
  );
}

/** A process is known by the moment at which it started. */
function startOf(process: string): string {
  return formatDate(new Date(Number(process) * 1000));
}
