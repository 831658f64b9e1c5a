// How the service is: the dot in the header, and the banner when it does not answer.
import { effect, signal } from '@preact/signals';
import { Deadline } from '@/api/deadline';
import { hasBeenHeardSince } from '@/api/hearing';
import { pauseMs } from '@/state/pausing';
import { isVisible } from '@/state/visibility';

/** As `GET /readyz` says; `away` when nobody answers, `unknown` before the first answer. */
export type ServiceCondition = 'unknown' | 'ready' | 'degraded' | 'unready' | 'away';

/** What is known of the service. */
export interface ServiceState {
  readonly condition: ServiceCondition;
  /** Why it is not simply ready, in the service's own words. */
  readonly reasons: readonly string[];
}

const EVERY_MS = 5000;
const SOON_MS = 1000;
/** A service that is well answers this within milliseconds. */
const LIMIT_MS = 5000;
/** One call that fails at once is not told: a connection may just have been closed. */
const FAILURES_TO_TELL = 2;

/** How the service is at the moment. */
export const service = signal<ServiceState>({ condition: 'unknown', reasons: [] });
/** Counts how often the service has come back: what depends on it may look again. */
export const returns = signal(0);

/** Watch the service for as long as the page is open; asks nothing while out of sight. */
export function startServiceWatch(): void {
  let round = new AbortController();
  effect(() => {
    round.abort();
    round = new AbortController();
    if (isVisible.value) void watch(round.signal);
  });
}

async function watch(ending: AbortSignal): Promise<void> {
  let failures = 0;
  while (!ending.aborted) {
    const sinceMs = performance.now();
    const { isSilent, ...state } = await look(ending);
    if (ending.aborted) return;
    // Silent, and yet heard: the call had to wait for one of the browser's connections.
    const isAway = state.condition === 'away' && !(isSilent && hasBeenHeardSince(sinceMs));
    failures = isAway ? failures + (isSilent ? FAILURES_TO_TELL : 1) : 0;
    if (state.condition !== 'away' || failures >= FAILURES_TO_TELL) note(state);
    const isWell = state.condition === 'ready' || state.condition === 'degraded';
    await pauseMs(isWell ? EVERY_MS : SOON_MS, ending).catch(() => undefined);
  }
}

function note(state: ServiceState): void {
  const before = service.peek().condition;
  service.value = state;
  if (before === 'away' && state.condition !== 'away') returns.value += 1;
}

async function look(ending: AbortSignal): Promise<ServiceState & { isSilent: boolean }> {
  const deadline = new Deadline(LIMIT_MS, ending);
  const { signal } = deadline;
  try {
    const response = await fetch('/readyz', { signal, cache: 'no-store', credentials: 'omit' });
    return { ...readState(await response.json()), isSilent: false };
  } catch {
    return { condition: 'away', reasons: [], isSilent: deadline.hasPassed };
  } finally {
    deadline.stop();
  }
}

/** Read the document of `/readyz`; anything else is taken for no answer. */
export function readState(document: unknown): ServiceState {
  const { status, reasons } = (document ?? {}) as { status?: unknown; reasons?: unknown };
  const told = Array.isArray(reasons) ? reasons.filter((each) => typeof each === 'string') : [];
  if (status === 'ready' || status === 'degraded' || status === 'unready') {
    return { condition: status, reasons: told };
  }
  return { condition: 'away', reasons: [] };
}
