// The replay of this tab: one at a time, kept while other views are shown.
import { effect, signal, untracked } from '@preact/signals';
import { asProblem } from '@/api/problem';
import { askBeforeLeaving } from '@/state/leaving';
import { showToast } from '@/state/toasts';
import { isVisible } from '@/state/visibility';
import { Replay, type ReplayPlan } from '@/views/experiments/replay';
import {
  type ReplayFigures,
  type Second,
  secondsOf,
  sumUp,
} from '@/views/experiments/replay_figures';

/** What is shown of a replay. */
export interface ReplayState {
  readonly isRunning: boolean;
  readonly lengthS: number;
  /** Seconds since it began. */
  readonly atS: number;
  readonly figures: ReplayFigures;
  readonly seconds: readonly Second[];
}

/** The replay; null before the first. */
export const replay = signal<ReplayState | null>(null);

const SHOW_MS = 250;
let round = new AbortController();

/** Start a replay, in place of another one. */
export async function startReplay(plan: ReplayPlan): Promise<void> {
  round.abort();
  const { signal: ending } = (round = new AbortController());
  let hasChanged = true;
  const run = new Replay(plan, () => {
    hasChanged = true;
  });
  const show = (isRunning: boolean): void => {
    if (round.signal !== ending) return; // another one has begun
    const atS = run.nowS();
    const lengthS = plan.perSecond.length;
    const seconds = secondsOf(run.shots, lengthS, atS);
    replay.value = { isRunning, lengthS, atS, figures: sumUp(run.shots), seconds };
    hasChanged = false;
  };
  show(true);
  // A chart that is drawn at each answer would keep the browser from sending.
  const timer = setInterval(() => hasChanged && show(true), SHOW_MS);
  try {
    await run.run(ending);
    show(false);
  } catch (thrown) {
    show(false);
    if (!ending.aborted) showToast(asProblem(thrown).detail, { tone: 'bad' });
  } finally {
    clearInterval(timer);
  }
}

/** Send nothing more; what was accepted runs on. */
export function stopReplay(): void {
  round.abort();
}

askBeforeLeaving(() => replay.value?.isRunning === true);

// Browsers slow the clocks of pages out of sight: what went on there would be no schedule.
effect(() => {
  if (isVisible.value) return;
  untracked(() => {
    if (replay.value?.isRunning !== true) return;
    stopReplay();
    showToast('The replay was stopped: a browser does not keep time for a page out of sight.');
  });
});
