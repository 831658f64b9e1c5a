// The view "Results": all jobs, one of them with its history, and those that have failed.
import { useFocusOnMove } from '@/components/focus_on_move';
import { hrefTo, type ViewProps } from '@/routes';
import { DeadLetters } from '@/views/results/DeadLetters';
import { JobView } from '@/views/results/JobView';
import { wishOf } from '@/views/results/listing';
import { ResultsList } from '@/views/results/ResultsList';
import '@/views/results/results.css';

/** Where the dead letters are; no job has such an id. */
const DEAD = 'dead-letters';

/** The view. */
export default function View({ rest, query }: ViewProps) {
  const [at = ''] = rest;
  useFocusOnMove(at);
  return (
    <div class="view">
      <header class="view-head">
        <h1>Results</h1>
        <nav class="row results-kinds" aria-label="Kinds of results">
          <a
            class="button button-quiet"
            href={hrefTo('results')}
            aria-current={at === '' ? 'page' : undefined}
          >
            All jobs
          </a>
          <a
            class="button button-quiet"
            href={hrefTo('results', DEAD)}
            aria-current={at === DEAD ? 'page' : undefined}
          >
            Dead letters
          </a>
        </nav>
      </header>
      <Content at={at} query={query} />
    </div>
  );
}

function Content({ at, query }: { at: string; query: URLSearchParams }) {
  if (at === '') return <ResultsList wish={wishOf(query)} />;
  return at === DEAD ? <DeadLetters /> : <JobView key={at} id={at} />;
}
