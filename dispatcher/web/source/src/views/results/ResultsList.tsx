// The latest jobs: filtered, searched, more of them when asked.
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { callJson } from '@/api/client';
import type { ApiProblem } from '@/api/problem';
import type { JobPage } from '@/api/types';
import { ProblemNote } from '@/components/ProblemNote';
import { counted } from '@/figures';
import { goTo, hrefTo } from '@/routes';
import { usePolling } from '@/state/polling';
import { JobTable } from '@/views/results/JobTable';
import {
  everyS,
  found,
  isId,
  moreThan,
  PAGE,
  pathOf,
  queryOf,
  STATES,
  type Wish,
} from '@/views/results/listing';

/** What is searched for; kept while a job is looked at. */
const searched = signal('');

/** The list, and how it is narrowed. */
export function ResultsList({ wish }: { wish: Wish }) {
  return (
    <section class="card stack" aria-label="Jobs">
      <Narrowing wish={wish} />
      <Jobs key={pathOf(wish, PAGE)} wish={wish} />
    </section>
  );
}

function Jobs({ wish }: { wish: Wish }) {
  const [limit, setLimit] = useState(PAGE);
  const { page, problem } = usePage(wish, limit);
  const jobs = page?.results ?? [];
  const shown = found(jobs, searched.value);
  return (
    <>
      {problem === null || problem.status === 0 || problem.isAboutKey ? null : (
        <ProblemNote problem={problem}>
          {wish.after === '' ? null : (
            <a class="button" href={hrefTo('results')}>
              Show the latest
            </a>
          )}
        </ProblemNote>
      )}
      <p class="small muted" role="status">
        {page === null ? 'Loading …' : countWords(shown.length, jobs.length)}
      </p>
      {page !== null && shown.length === 0 ? (
        <p class="empty">{emptyWords(jobs.length > 0)}</p>
      ) : null}
      {shown.length > 0 ? <JobTable jobs={shown} /> : null}
      <More page={page} wish={wish} limit={limit} onLimit={setLimit} />
    </>
  );
}

function Narrowing({ wish }: { wish: Wish }) {
  const text = searched.value;
  return (
    <form
      class="results-narrowing"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        if (isId(text)) goTo(hrefTo('results', text.trim()));
      }}
    >
      <label class="field">
        <span>Search by id, file or pipeline</span>
        <input
          type="search"
          class="input"
          value={text}
          spellcheck={false}
          onInput={(event) => {
            searched.value = event.currentTarget.value;
          }}
        />
      </label>
      <label class="field">
        <span>State</span>
        <select
          class="select"
          value={wish.status}
          onChange={(event) => {
            const status = event.currentTarget.value;
            goTo(hrefTo('results', [], status === '' ? {} : { status }), { replace: true });
          }}
        >
          <option value="">all</option>
          {STATES.map((state) => (
            <option key={state} value={state}>
              {state}
            </option>
          ))}
        </select>
      </label>
      {isId(text) ? (
        <a class="button" href={hrefTo('results', text.trim())}>
          Open this job
        </a>
      ) : null}
    </form>
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

function countWords(shown: number, loaded: number): string {
  return shown === loaded
    ? `${counted(loaded, 'job')}, the latest first`
    : `${shown} of the ${counted(loaded, 'job')} that are loaded`;
}

function emptyWords(hasOthers: boolean): string {
  return hasOthers ? 'None of the jobs that are loaded fits.' : 'There is no such job.';
}
