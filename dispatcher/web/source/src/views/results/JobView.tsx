// All about one job: what has happened to it, what came out, what can still be done.
import { ArrowLeft, Ban, RotateCcw } from 'lucide';
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { call, callJson } from '@/api/client';
import { ENDED, type JobDocument, type Ticket } from '@/api/types';
import { Icon } from '@/components/Icon';
import { JobOutcome } from '@/components/job/JobOutcome';
import { ProblemNote } from '@/components/ProblemNote';
import { StatusBadge } from '@/components/StatusBadge';
import { formatCount, formatSeconds, NONE } from '@/figures';
import { goTo, hrefTo } from '@/routes';
import { showProblem, showToast } from '@/state/toasts';
import { History } from '@/views/results/History';
import { useJob } from '@/views/results/job_watch';
import { listedLast, queryOf } from '@/views/results/listing';

/** The job of an id. */
export function JobView({ id }: { id: string }) {
  const { job, problem, events, refresh } = useJob(id);
  return (
    <>
      <p>
        <a class="results-back" href={hrefTo('results', [], queryOf(listedLast.value))}>
          <Icon of={ArrowLeft} size={16} />
          Back to the list
        </a>
      </p>
      {problem === null || problem.status === 0 || problem.isAboutKey ? null : (
        <ProblemNote problem={problem} />
      )}
      {job === null ? null : (
        <>
          <section class="card stack" aria-labelledby="results-job">
            <header class="row row-between">
              <div class="row results-title">
                <h2 id="results-job" class="clip">
                  {job.filename === '' ? 'A picture without a name' : job.filename}
                </h2>
                <StatusBadge state={job.status} />
              </div>
              <Actions job={job} onChanged={refresh} />
            </header>
            <Facts job={job} />
          </section>
          <section class="card stack" aria-labelledby="results-history">
            <h2 id="results-history">History</h2>
            <History events={events} />
          </section>
          {ENDED.has(job.status) ? (
            <section class="card stack" aria-labelledby="results-outcome">
              <h2 id="results-outcome">What came out</h2>
              <JobOutcome job={job} />
              {job.result === null && job.error === null ? (
                <p class="muted">Nothing: it did not complete.</p>
              ) : null}
            </section>
          ) : null}
        </>
      )}
    </>
  );
}

function Facts({ job }: { job: JobDocument }) {
  return (
    <dl class="results-facts">
      <Fact name="Id">
        <span class="mono">{job.request_id}</span>
      </Fact>
      <Fact name="Pipeline">{job.pipeline}</Fact>
      <Fact name="Priority">{PRIORITIES[job.priority] ?? job.priority}</Fact>
      <Fact name="Waited">{formatSeconds(job.queue_time)}</Fact>
      <Fact name="Computed">{formatSeconds(job.processing_time)}</Fact>
      <Fact name="Attempts">{formatCount(job.attempts)}</Fact>
      <Fact name="Replica">{job.replica_used ?? (job.from_cache ? 'the cache' : NONE)}</Fact>
      {job.deadline_s === null ? null : (
        <Fact name="Deadline">{formatSeconds(job.deadline_s)}</Fact>
      )}
      {job.queue_position === null ? null : (
        <Fact name="Place in the queue">{formatCount(job.queue_position)}</Fact>
      )}
      {job.eta_s === null ? null : <Fact name="Begins in about">{formatSeconds(job.eta_s)}</Fact>}
      {job.requeued_from === null ? null : (
        <Fact name="Repeats">
          <a class="mono" href={hrefTo('results', job.requeued_from)}>
            {job.requeued_from}
          </a>
        </Fact>
      )}
    </dl>
  );
}

const PRIORITIES = ['high', 'normal', 'bulk'] as const;

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Actions({ job, onChanged }: { job: JobDocument; onChanged: () => void }) {
  const [isBusy, setIsBusy] = useState(false);
  const run = async (action: () => Promise<void>): Promise<void> => {
    if (isBusy) return;
    setIsBusy(true);
    try {
      await action();
    } catch (thrown) {
      showProblem(thrown);
    }
    setIsBusy(false);
    onChanged();
  };
  if (job.status === 'failed') {
    return (
      <button class="button" aria-disabled={isBusy} onClick={() => void run(() => requeue(job))}>
        <Icon of={RotateCcw} size={16} />
        Requeue
      </button>
    );
  }
  if (ENDED.has(job.status)) return null;
  return (
    <button
      class="button button-danger"
      aria-disabled={isBusy}
      onClick={() => void run(() => cancel(job))}
    >
      <Icon of={Ban} size={16} />
      Cancel
    </button>
  );
}

async function requeue(job: JobDocument): Promise<void> {
  const path = `/result/${encodeURIComponent(job.request_id)}/requeue`;
  const ticket = await callJson<Ticket>(path, { method: 'POST' });
  showToast('It is repeated as a new job, which is shown now.', { tone: 'good' });
  goTo(hrefTo('results', ticket.request_id));
}

async function cancel(job: JobDocument): Promise<void> {
  await call(`/result/${encodeURIComponent(job.request_id)}`, { method: 'DELETE' });
  showToast('The job is cancelled.', { tone: 'good' });
}
