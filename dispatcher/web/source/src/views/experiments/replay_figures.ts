// A replay second by second: what was asked for, sent and completed. Nothing is sent here.

/** What became of one picture. Moments are seconds since the replay began. */
export interface Shot {
  /** When it shall be sent. */
  readonly dueS: number;
  /** When it was handed to the browser to send; null before that. */
  readonly sentS: number | null;
  /** Empty until the service has accepted it. */
  readonly jobId: string;
  /** When its end was seen; null before that. */
  readonly endedS: number | null;
  /** `completed`, or why not: the job's state, or the code of the refusal; empty before the end. */
  readonly outcome: string;
}

/** One second. */
export interface Second {
  readonly atS: number;
  readonly target: number;
  readonly sent: number;
  readonly completed: number;
  readonly failed: number;
}

/** All of it in figures. */
export interface ReplayFigures {
  readonly target: number;
  readonly sent: number;
  readonly completed: number;
  /** Refused, failed, cancelled or expired. */
  readonly failed: number;
  /** Sent or accepted, and not ended. */
  readonly underWay: number;
  /** How late a send was at worst: beyond some milliseconds the browser could not keep up. */
  readonly latestS: number;
  /** Why pictures did not complete, by code, the most frequent first. */
  readonly reasons: readonly (readonly [code: string, count: number])[];
}

/** Return the shots of a replay that has not begun. */
export function shotsAt(momentsS: readonly number[]): Shot[] {
  return momentsS.map((dueS) => ({ dueS, sentS: null, jobId: '', endedS: null, outcome: '' }));
}

/** Return a replay second by second, until `untilS`, at least the whole schedule. */
export function secondsOf(shots: readonly Shot[], lengthS: number, untilS: number): Second[] {
  const last = Math.max(0, ...shots.map(({ endedS }) => endedS ?? 0));
  const count = Math.max(lengthS, Math.floor(Math.min(last, untilS)) + 1);
  const at = (moments: readonly (number | null)[]): number[] => {
    const counts = Array.from({ length: count }, () => 0);
    for (const moment of moments) {
      const second = moment === null ? -1 : Math.floor(moment);
      if (second >= 0 && second < count) counts[second] = (counts[second] ?? 0) + 1;
    }
    return counts;
  };
  const target = at(shots.map(({ dueS }) => dueS));
  const sent = at(shots.map(({ sentS }) => sentS));
  const completed = at(shots.map((shot) => (isGood(shot) ? shot.endedS : null)));
  const failed = at(shots.map((shot) => (isGood(shot) ? null : shot.endedS)));
  return target.map((wanted, second) => ({
    atS: second,
    target: wanted,
    sent: sent[second] ?? 0,
    completed: completed[second] ?? 0,
    failed: failed[second] ?? 0,
  }));
}

/** Return a replay in figures. */
export function sumUp(shots: readonly Shot[]): ReplayFigures {
  const sent = shots.filter(({ sentS }) => sentS !== null);
  const ended = shots.filter(({ endedS }) => endedS !== null);
  const bad = ended.filter((shot) => !isGood(shot));
  const reasons = new Map<string, number>();
  for (const { outcome } of bad) reasons.set(outcome, (reasons.get(outcome) ?? 0) + 1);
  return {
    target: shots.length,
    sent: sent.length,
    completed: ended.length - bad.length,
    failed: bad.length,
    underWay: sent.length - ended.length,
    latestS: Math.max(0, ...sent.map(({ sentS, dueS }) => (sentS ?? dueS) - dueS)),
    reasons: [...reasons].sort(([, a], [, b]) => b - a),
  };
}

function isGood({ outcome }: Shot): boolean {
  return outcome === 'completed';
}
