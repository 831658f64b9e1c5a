// What the view knows: kept while another view is shown, asked for only while this one is.
import { signal } from '@preact/signals';
import { callJson, callText } from '@/api/client';
import type { StatusDocument } from '@/api/service_types';
import { EVERY_S, type Reading, readingOf, withReading } from '@/views/live/readings';

/** The windows that can be chosen, in seconds; readings are kept for the longest. */
export const WINDOWS_S = [60, 300, 900] as const;

/** All readings, the oldest first. */
export const history = signal<readonly Reading[]>([]);
/** Over how many of the last seconds figures are told. */
export const windowS = signal<number>(300);

/** Both documents, asked for at the same moment. */
export interface Look {
  readonly status: StatusDocument;
  /** Unix seconds, by the clock of this page. */
  readonly atS: number;
}

/**
 * Look once and note what /metrics says in `history`.
 *
 * @throws ApiProblem one of the calls was refused, or not answered.
 */
export async function look(ending: AbortSignal): Promise<Look> {
  const [status, metrics] = await Promise.all([
    callJson<StatusDocument>('/status', { signal: ending }),
    callText('/metrics', { signal: ending }),
  ]);
  const atS = Date.now() / 1000;
  const keptS = Math.max(...WINDOWS_S) + EVERY_S;
  history.value = withReading(history.peek(), readingOf(metrics, atS), keptS);
  return { status, atS };
}
