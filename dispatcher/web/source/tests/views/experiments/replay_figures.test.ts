import { expect, it } from 'vitest';
import { secondsOf, type Shot, shotsAt, sumUp } from '@/views/experiments/replay_figures';

const SHOTS: readonly Shot[] = [
  { dueS: 0, sentS: 0.01, jobId: 'a', endedS: 0.7, outcome: 'completed' },
  { dueS: 0.5, sentS: 1.1, jobId: 'b', endedS: 3.2, outcome: 'completed' },
  { dueS: 1, sentS: 1.1, jobId: '', endedS: 1.2, outcome: 'queue_full' },
  { dueS: 1.5, sentS: 1.5, jobId: 'd', endedS: null, outcome: '' },
  { dueS: 2, sentS: null, jobId: '', endedS: null, outcome: '' },
];

it('a replay is told second by second, as long as results come', () => {
  expect(secondsOf(SHOTS, 3, 10)).toEqual([
    { atS: 0, target: 2, sent: 1, completed: 1, failed: 0 },
    { atS: 1, target: 2, sent: 3, completed: 0, failed: 1 },
    { atS: 2, target: 1, sent: 0, completed: 0, failed: 0 },
    { atS: 3, target: 0, sent: 0, completed: 1, failed: 0 },
  ]);
});

it('a replay is summed up', () => {
  const figures = sumUp(SHOTS);
  expect(figures).toMatchObject({ target: 5, sent: 4, completed: 2, failed: 1, underWay: 1 });
  expect(figures.latestS).toBeCloseTo(0.6, 9);
  expect(figures.reasons).toEqual([['queue_full', 1]]);
});

it('a replay that has not begun has its target only', () => {
  expect(sumUp(shotsAt([0, 0.5]))).toMatchObject({ target: 2, sent: 0, underWay: 0, latestS: 0 });
  expect(secondsOf(shotsAt([0, 0.5]), 1, 0)).toEqual([
    { atS: 0, target: 2, sent: 0, completed: 0, failed: 0 },
  ]);
});
