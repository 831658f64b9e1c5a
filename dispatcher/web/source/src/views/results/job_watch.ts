// One job, followed until it has ended.
import { effect, type ReadonlySignal, signal } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { callJson } from '@/api/client';
import { followEvents } from '@/api/events';
import type { StreamEvent } from '@/api/event_stream';
import type { ApiProblem } from '@/api/problem';
import { ENDED, type JobDocument } from '@/api/types';
import { apiKey } from '@/state/api_key';
import { usePolling } from '@/state/polling';
import { returns } from '@/state/service';
import { isVisible } from '@/state/visibility';
import { isLast } from '@/views/results/happenings';

/** Its place in the queue changes without an event. */
const EVERY_S = 2;

/** What is known of a job. */
export interface WatchedJob {
  readonly job: JobDocument | null;
  readonly problem: ApiProblem | null;
  readonly events: readonly StreamEvent[];
  /** Look again now. */
  readonly refresh: () => void;
}

/** Follow a job for as long as a component is shown. */
export function useJob(id: string): WatchedJob {
  const path = `/result/${encodeURIComponent(id)}`;
  const ended = useRef<JobDocument | null>(null);
  const polled = usePolling<JobDocument>(
    async (ending) => {
      // What has ended stays as it is: nobody is asked again.
      const known = ended.current;
      if (known?.request_id === id) return known;
      const job = await callJson<JobDocument>(path, { signal: ending });
      if (ENDED.has(job.status)) ended.current = job;
      return job;
    },
    { everyS: EVERY_S, about: path },
  );
  const events = useEvents(`${path}/events`, (state) => {
    // Before the first answer one is on its way, and will know.
    const known = polled.data.peek()?.status ?? state;
    if (known !== state) polled.refresh();
  });
  return {
    job: polled.data.value,
    problem: polled.problem.value,
    events: events.value,
    refresh: () => polled.refresh(),
  };
}

function useEvents(
  path: string,
  onEvent: (state: string) => void,
): ReadonlySignal<readonly StreamEvent[]> {
  const seen = useMemo(() => signal<readonly StreamEvent[]>([]), [path]);
  const notify = useRef(onEvent);
  notify.current = onEvent;
  useEffect(() => {
    let round = new AbortController();
    const dispose = effect(() => {
      round.abort();
      round = new AbortController();
      void [apiKey.value, returns.value]; // refused before, it may now be told
      const isOver = seen.peek().some(isLast);
      if (isVisible.value && !isOver) void follow(path, seen, round.signal, notify);
    });
    return () => {
      dispose();
      round.abort();
    };
  }, [path]);
  return seen;
}

async function follow(
  path: string,
  seen: { value: readonly StreamEvent[] },
  ending: AbortSignal,
  notify: { readonly current: (state: string) => void },
): Promise<void> {
  const events: StreamEvent[] = [];
  try {
    for await (const event of followEvents(path, { signal: ending, isLast })) {
      events.push(event);
      seen.value = [...events];
      notify.current(event.event);
    }
  } catch {
    // Ended by us, or refused: then the job itself is refused, too, and the view says why.
  }
}
