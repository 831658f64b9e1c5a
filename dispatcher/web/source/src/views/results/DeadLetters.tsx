// Failed jobs that are kept, by the code of their error: repeated, or dropped for good.
import { RotateCcw, Trash2 } from 'lucide';
import { useState } from 'preact/hooks';
import { callJson } from '@/api/client';
import type { QueueDocument } from '@/api/service_types';
import { Dialog } from '@/components/Dialog';
import { Icon } from '@/components/Icon';
import { ProblemNote } from '@/components/ProblemNote';
import { counted, formatCount } from '@/figures';
import { hrefTo } from '@/routes';
import { usePolling } from '@/state/polling';
import { showProblem, showToast } from '@/state/toasts';
import { purgeFailed, requeueFailed } from '@/views/results/dead_letters';

const EVERY_S = 5;

/** The dead letters, of everybody: this needs a key that may administer. */
export function DeadLetters() {
  const queue = usePolling((signal) => callJson<QueueDocument>('/queue', { signal }), {
    everyS: EVERY_S,
  });
  const known = queue.data.value;
  const problem = queue.problem.value;
  return (
    <section class="card stack" aria-labelledby="results-dead">
      <h2 id="results-dead">Dead letters</h2>
      <p class="muted">
        Jobs that have failed, whoever sent them. Repeating makes a new job of each, once; dropping
        takes the job and its picture away for good.
      </p>
      {problem === null || problem.status === 0 || problem.isAboutKey ? null : (
        <ProblemNote
          problem={problem}
          {...(problem.status === 403 ? { lead: 'This needs a key with the scope admin.' } : {})}
        />
      )}
      {known === null ? null : <Letters queue={known} onChanged={() => queue.refresh()} />}
    </section>
  );
}

interface LettersProps {
  readonly queue: QueueDocument;
  readonly onChanged: () => void;
}

function Letters({ queue, onChanged }: LettersProps) {
  const codes = Object.entries(queue.failed).sort(([, one], [, other]) => other - one);
  const all = codes.reduce((sum, [, count]) => sum + count, 0);
  if (all === 0 && queue.dead_messages === 0) {
    return <p class="empty">None: no failed job is kept.</p>;
  }
  return (
    <>
      <div class="scroll-x" tabIndex={0} role="region" aria-label="Failed jobs by code">
        <table class="table results-codes">
          <thead>
            <tr>
              <th scope="col">Code</th>
              <th scope="col" class="number">
                Jobs
              </th>
              <th scope="col">
                <span class="visually-hidden">What can be done</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {codes.map(([code, count]) => (
              <tr key={code}>
                <th scope="row">
                  <code>{code === '' ? 'none' : code}</code>
                </th>
                <td class="number">{formatCount(count)}</td>
                <td>{code === '' ? null : <Choices {...{ code, count, queue, onChanged }} />}</td>
              </tr>
            ))}
            <tr>
              <th scope="row">All</th>
              <td class="number">{formatCount(all)}</td>
              <td>
                <Choices code={null} count={all} queue={queue} onChanged={onChanged} />
              </td>
            </tr>
          </tbody>
        </table>
      </div>
      {queue.dead_messages === 0 ? null : (
        <p class="small muted">
          {counted(queue.dead_messages, 'message')} of the queue could not be delivered; “All” takes
          them along.
        </p>
      )}
      <p>
        <a href={hrefTo('results', [], { status: 'failed' })}>Look at failed jobs one by one</a>
      </p>
    </>
  );
}

interface ChoicesProps extends LettersProps {
  /** Null for all. */
  readonly code: string | null;
  readonly count: number;
}

function Choices({ code, count, queue, onChanged }: ChoicesProps) {
  const [isBusy, setIsBusy] = useState(false);
  const [isAsked, setIsAsked] = useState(false);
  const about = code ?? 'all';
  const run = async (action: () => Promise<string>): Promise<void> => {
    if (isBusy) return;
    setIsBusy(true);
    try {
      showToast(await action(), { tone: 'good' });
    } catch (thrown) {
      showProblem(thrown);
    }
    setIsBusy(false);
    onChanged();
  };
  return (
    <div class="row row-end results-choices">
      <button
        class="button button-small"
        aria-label={`Requeue ${about}`}
        aria-disabled={isBusy}
        onClick={() => void run(() => requeueFailed(code))}
      >
        <Icon of={RotateCcw} size={14} />
        Requeue
      </button>
      <button
        class="button button-small button-danger"
        aria-label={`Purge ${about}`}
        aria-disabled={isBusy}
        onClick={() => setIsAsked(true)}
      >
        <Icon of={Trash2} size={14} />
        Purge
      </button>
      <Dialog
        title={`Drop ${counted(count, 'failed job')}?`}
        isOpen={isAsked}
        onClose={() => setIsAsked(false)}
      >
        <p>
          {code === null ? 'All failed jobs' : `The failed jobs with the code ${code}`} and their
          pictures are taken away. They cannot be repeated then.
        </p>
        <div class="row row-end">
          <button class="button" onClick={() => setIsAsked(false)}>
            Keep them
          </button>
          <button
            class="button button-danger"
            onClick={() => {
              setIsAsked(false);
              void run(() => purgeFailed(code, queue.at));
            }}
          >
            Drop them
          </button>
        </div>
      </Dialog>
    </div>
  );
}
