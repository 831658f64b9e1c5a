// What has happened to a job, as a line of time.
import type { StreamEvent } from '@/api/event_stream';
import { StatusBadge } from '@/components/StatusBadge';
import { formatDate, formatSeconds } from '@/figures';
import { historyOf, isLast } from '@/views/results/happenings';

/** The events of a job, the earliest first; grows as they arrive. */
export function History({ events }: { events: readonly StreamEvent[] }) {
  const happenings = historyOf(events);
  const goesOn = !events.some(isLast);
  return (
    <ol class="results-history" aria-live="polite">
      {happenings.map((each) => (
        <li key={each.state}>
          <StatusBadge state={each.state} />
          <span class="results-words">{each.words}</span>
          <span class="small muted">
            {formatDate(each.at)}
            {each.afterS === null ? '' : `, ${formatSeconds(Math.max(0, each.afterS))} later`}
          </span>
        </li>
      ))}
      {goesOn ? <li class="muted">…</li> : null}
    </ol>
  );
}
