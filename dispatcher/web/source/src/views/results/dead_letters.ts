// Failed jobs, all of them or those with one code: repeated, or dropped, part by part to the end.
import { callJson } from '@/api/client';
import { WORK_MS } from '@/api/deadline';
import { counted } from '@/figures';

/** `POST /queue/requeue`. */
interface Requeued {
  readonly requeued: number;
  readonly put_back: number;
  /** Failed jobs that were not repeated, by the code of the reason. */
  readonly skipped: Readonly<Record<string, number>>;
  readonly next: string | null;
}

/** `POST /queue/purge`. */
interface Purged {
  readonly purged: number;
  readonly dead_messages: number;
  readonly more: boolean;
}

const SKIPPED: Readonly<Record<string, string>> = {
  repeated_before: 'were repeated before',
  image_gone: 'have no picture any more',
  unknown_pipeline: 'are for a pipeline that is gone',
  invalid_params: 'have params that their pipeline no longer takes',
};

/**
 * Repeat failed jobs as new ones, each of them once; return what came of it, in words.
 *
 * @param code of the error with which they failed; null for all.
 * @throws ApiProblem the service refuses; some may have been repeated.
 */
export async function requeueFailed(code: string | null): Promise<string> {
  let [requeued, putBack] = [0, 0];
  const skipped: Record<string, number> = {};
  let after: string | null = null;
  do {
    const json: Record<string, string> = { ...orderOf(code), ...(after === null ? {} : { after }) };
    const options = { method: 'POST', json, limitMs: WORK_MS } as const;
    const part: Requeued = await callJson<Requeued>('/queue/requeue', options);
    requeued += part.requeued;
    putBack += part.put_back;
    for (const [reason, count] of Object.entries(part.skipped)) {
      skipped[reason] = (skipped[reason] ?? 0) + count;
    }
    after = part.next;
  } while (after !== null);
  const parts = [
    `${counted(requeued, 'job')} repeated`,
    ...(putBack > 0 ? [`${counted(putBack, 'message')} put back`] : []),
    ...Object.entries(skipped).map(([reason, count]) => `${count} ${SKIPPED[reason] ?? reason}`),
  ];
  return `${parts.join(', ')}.`;
}

/**
 * Drop failed jobs with their pictures; return what came of it, in words.
 *
 * @param code of the error with which they failed; null for all.
 * @param before only what had failed by then, in Unix seconds: what was looked at.
 * @throws ApiProblem the service refuses; some may have been dropped.
 */
export async function purgeFailed(code: string | null, before: number): Promise<string> {
  let [purged, messages] = [0, 0];
  let hasMore = true;
  while (hasMore) {
    const json = { what: 'failed', before, ...orderOf(code) };
    const options = { method: 'POST', json, limitMs: WORK_MS } as const;
    const part = await callJson<Purged>('/queue/purge', options);
    purged += part.purged;
    messages += part.dead_messages;
    hasMore = part.more && part.purged > 0;
  }
  const more = messages > 0 ? `, ${counted(messages, 'message')} thrown away` : '';
  return `${counted(purged, 'failed job')} dropped${more}.`;
}

function orderOf(code: string | null): Record<string, string> {
  return code === null ? {} : { code };
}
