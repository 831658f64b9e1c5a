// Amdahl's law, fitted to measured speed-ups (Amdahl, "Validity of the single processor approach to
// achieving large scale computing capabilities", AFIPS 1967).

/** One measured point: how much faster so many threads are than one. */
export interface SpeedUp {
  readonly threads: number;
  readonly speedUp: number;
}

/** The law as it was fitted. */
export interface Law {
  /** The part of the work that threads share, 0 to 1. */
  readonly parallel: number;
  /** The speed-up that no number of threads exceeds; Infinity when all of it is shared. */
  readonly most: number;
  /** Root mean square of the distances between measured and predicted speed-ups. */
  readonly error: number;
}

/** Fewer points say nothing: two always lie on a curve. */
export const LEAST_POINTS = 3;
const GRID = 200;
const HALVINGS = 60;
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/** Return the speed-up of so many threads when the part `parallel` of the work is shared. */
export function amdahl(parallel: number, threads: number): number {
  return 1 / (1 - parallel + parallel / threads);
}

/**
 * Return the law whose speed-ups have the least squared distances from the measured ones; null for
 * fewer than three numbers of threads, or without a measurement with one.
 *
 * There is one parameter between 0 and 1, so a grid finds the valley and a golden-section search
 * (Kiefer, "Sequential minimax search for a maximum", Proc. AMS 1953) its bottom.
 */
export function fitAmdahl(points: readonly SpeedUp[]): Law | null {
  const counts = new Set(points.map(({ threads }) => threads));
  if (counts.size < LEAST_POINTS || !counts.has(1)) return null;
  const squares = (parallel: number): number =>
    points.reduce(
      (sum, { threads, speedUp }) => sum + (amdahl(parallel, threads) - speedUp) ** 2,
      0,
    );
  let best = 0;
  for (let step = 1; step <= GRID; step += 1) {
    if (squares(step / GRID) < squares(best)) best = step / GRID;
  }
  const parallel = bottomOf(squares, Math.max(0, best - 1 / GRID), Math.min(1, best + 1 / GRID));
  return {
    parallel,
    most: parallel >= 1 ? Number.POSITIVE_INFINITY : 1 / (1 - parallel),
    error: Math.sqrt(squares(parallel) / points.length),
  };
}

function bottomOf(of: (x: number) => number, from: number, to: number): number {
  let [low, high] = [from, to];
  for (let step = 0; step < HALVINGS; step += 1) {
    const left = high - GOLDEN * (high - low);
    const right = low + GOLDEN * (high - low);
    if (of(left) <= of(right)) high = right;
    else low = left;
  }
  const middle = (low + high) / 2;
  // The search never quite reaches an end, where the best may lie.
  return [from, middle, to].reduce((best, x) => (of(x) < of(best) ? x : best), middle);
}
