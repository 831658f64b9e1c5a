// The latest jobs: filtered, searched, more of them when asked.
import { useEffect, useState } from 'preact/hooks';
import { callJson } from '@/api/client';
import type { ApiProblem } from '@/api/problem';
import type { JobPage } from '@/api/types';
import { ProblemNote } from '@/components/ProblemNote';
import { hrefTo } from '@/routes';
import { usePolling } from '@/state/polling';
import { JobTable } from '@/views/results/JobTable';
import {
  emptyWords,
  everyS,
  listedLast,
  listWords,
  moreThan,
  PAGE,
  pathOf,
  queryOf,
  type Wish,
} from '@/views/results/listing';
import { Narrowing } from '@/views/results/Narrowing';

/** The list, and how it is narrowed. */
export function ResultsList({ wish }: { wish: Wish }) {
  const path = pathOf(wish, PAGE);
  useEffect(() => {
    listedLast.value = wish;
  }, [path]);
  return (
    <section class="card stack" aria-label="Jobs">
      <Narrowing wish={wish} />
      <Jobs key={path} wish={wish} />
    </section>
  );
}

function Jobs({ wish }: { wish: Wish }) {
  const [limit, setLimit] = useState(PAGE);
  const { page, problem } = usePage(wish, limit);
  const jobs = page?.results ?? [];
  return (
    <>
      {problem === null || problem.status === 0 || problem.isAboutKey ? null : (
        <ProblemNote problem={problem}>
          {wish.after === '' ? null : (
            <a class="button" href={hrefTo('results', [], queryOf({ ...wish, after: '' }))}>
              Show the latest
            </a>
          )}
        </ProblemNote>
      )}
      <p class="small muted" role="status">
        {page === null ? 'Loading …' : listWords(jobs.length)}
      </p>
      {page !== null && jobs.length === 0 ? <p class="empty">{emptyWords(wish)}</p> : null}
      {jobs.length > 0 ? <JobTable jobs={jobs} /> : null}
      <More page={page} wish={wish} limit={limit} onLimit={setLimit} />
    </>
  );
}

interface MoreProps {
  readonly page: JobPage | null;
  readonly wish: Wish;
  readonly limit: number;
  readonly onLimit: (limit: number) => void;
}

function More({ page, wish, limit, onLimit }: MoreProps) {
  const next = page?.next ?? null;
  const more = moreThan(limit);
  if (next === null && wish.after === '') return null;
  return (
    <div class="row">
      {wish.after === '' ? null : (
        <a class="button" href={hrefTo('results', [], queryOf({ ...wish, after: '' }))}>
          Back to the latest
        </a>
      )}
      {next !== null && more !== null ? (
        <button class="button" onClick={() => onLimit(more)}>
          Show more
        </button>
      ) : null}
      {next !== null && more === null ? (
        <a class="button" href={hrefTo('results', [], queryOf({ ...wish, after: next }))}>
          Show older ones
        </a>
      ) : null}
    </div>
  );
}

/** Ask for a page; a longer one takes the place of what is shown only when it is there. */
function usePage(
  wish: Wish,
  limit: number,
): { readonly page: JobPage | null; readonly problem: ApiProblem | null } {
  const path = pathOf(wish, limit);
  const [kept, setKept] = useState<JobPage | null>(null);
  const polled = usePolling((ending) => callJson<JobPage>(path, { signal: ending }), {
    everyS: everyS(limit),
    about: path,
  });
  const fresh = polled.data.value;
  useEffect(() => {
    if (fresh !== null) setKept(fresh);
  }, [fresh]);
  return { page: fresh ?? kept, problem: polled.problem.value };
}
