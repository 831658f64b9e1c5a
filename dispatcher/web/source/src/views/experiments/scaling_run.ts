// One experiment with threads: sent, followed until it ends, kept while other views are shown.
import { signal } from '@preact/signals';
import { callJson } from '@/api/client';
import { uploadMs } from '@/api/deadline';
import { followEvents } from '@/api/events';
import { ApiProblem, asProblem } from '@/api/problem';
import { type BatchTicket, ENDED, type Fault, type JobDocument } from '@/api/types';
import { formOf, type ScalingOrder, type Timing, timingsOf } from '@/views/experiments/scaling';

/** How far the experiment is. */
export type ScalingState =
  | { readonly phase: 'none' }
  | { readonly phase: 'running'; readonly note: string }
  | { readonly phase: 'failed'; readonly problem: ApiProblem | Fault }
  | { readonly phase: 'done'; readonly picture: string; readonly timings: readonly Timing[] };

/** The experiment of this tab. */
export const scaling = signal<ScalingState>({ phase: 'none' });

/** Run an experiment on one picture; another one is left alone from then on. */
export async function runScaling(order: ScalingOrder, picture: File): Promise<void> {
  round.abort();
  const { signal: ending } = (round = new AbortController());
  const note = (state: ScalingState): void => {
    if (!ending.aborted) scaling.value = state;
  };
  note({ phase: 'running', note: 'sending the picture' });
  try {
    const body = formOf(order, picture);
    const batch = await callJson<BatchTicket>('/process', {
      method: 'POST',
      body,
      signal: ending,
      limitMs: uploadMs(picture.size),
    });
    const id = batch.requests[0]?.request_id ?? '';
    note({ phase: 'running', note: 'waiting for a replica' });
    const job = await jobWhenEnded(id, ending, () =>
      note({ phase: 'running', note: 'a replica measures' }),
    );
    note(stateOf(job, picture.name));
  } catch (thrown) {
    note({ phase: 'failed', problem: asProblem(thrown) });
  }
}

let round = new AbortController();

async function jobWhenEnded(
  id: string,
  ending: AbortSignal,
  onStarted: () => void,
): Promise<JobDocument> {
  const path = `/result/${encodeURIComponent(id)}`;
  const isLast = ({ event }: { event: string }): boolean => ENDED.has(event);
  for await (const { event } of followEvents(`${path}/events`, { signal: ending, isLast })) {
    if (event === 'processing') onStarted();
  }
  return callJson<JobDocument>(path, { signal: ending });
}

function stateOf(job: JobDocument, picture: string): ScalingState {
  if (job.status !== 'completed' || job.result === null) {
    const unknown = { code: job.status, detail: `The job is ${job.status}.` };
    return { phase: 'failed', problem: job.error ?? unknown };
  }
  const timings = timingsOf(job.result);
  if (timings.length > 0) return { phase: 'done', picture, timings };
  const detail = 'The result holds no timings.';
  return { phase: 'failed', problem: new ApiProblem('no_timings', 'No timings', detail, 0) };
}
