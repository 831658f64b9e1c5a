// How the service is: the dot in the header, and the banner when it does not answer.
import { effect, signal } from '@preact/signals';
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
/** One call that fails is not told: a connection may just have been closed. */
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
    const state = await look(ending);
    if (ending.aborted) return;
    failures = state.condition === 'away' ? failures + 1 : 0;
    if (failures === 0 || failures >= FAILURES_TO_TELL) note(state);
    const isWell = state.condition === 'ready' || state.condition === 'degraded';
    await pauseMs(isWell ? EVERY_MS : SOON_MS, ending).catch(() => undefined);
  }
}

function note(state: ServiceState): void {
  const before = service.peek().condition;
  service.value = state;
  if (before === 'away' && state.condition !== 'away') returns.value += 1;
}

async function look(signal: AbortSignal): Promise<ServiceState> {
  try {
    const response = await fetch('/readyz', { signal, cache: 'no-store', credentials: 'omit' });
    return readState(await response.json());
  } catch {
    return { condition: 'away', reasons: [] };
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
