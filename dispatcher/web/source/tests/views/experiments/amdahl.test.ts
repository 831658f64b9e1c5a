import { describe, expect, it } from 'vitest';
import { amdahl, fitAmdahl } from '@/views/experiments/amdahl';

const THREADS = [1, 2, 4, 8, 16];

describe("Amdahl's law", () => {
  it.each([
    [0, 8, 1],
    [0.5, 2, 4 / 3],
    [1, 8, 8],
  ])('of a part %f on %i threads is %f', (parallel, threads, expected) => {
    expect(amdahl(parallel, threads)).toBeCloseTo(expected, 12);
  });

  it.each([0, 0.3, 0.62, 0.9, 0.975, 1])('is found again in points that follow it: %f', (part) => {
    const points = THREADS.map((threads) => ({ threads, speedUp: amdahl(part, threads) }));
    const law = fitAmdahl(points);
    expect(law?.parallel).toBeCloseTo(part, 6);
    expect(law?.error).toBeLessThan(1e-5);
  });

  it('has the least squares of points that do not follow it', () => {
    const points = [1, 1.9, 2.7, 5.1, 5.6].map((speedUp, index) => ({
      threads: THREADS[index] ?? 0,
      speedUp,
    }));
    const squares = (part: number): number =>
      points.reduce((sum, { threads, speedUp }) => sum + (amdahl(part, threads) - speedUp) ** 2, 0);
    const best = fitAmdahl(points)?.parallel ?? Number.NaN;
    for (let part = 0; part <= 1; part += 0.001) {
      expect(squares(best)).toBeLessThanOrEqual(squares(part) + 1e-12);
    }
  });

  it('tells the most that can be reached', () => {
    const half = THREADS.map((threads) => ({ threads, speedUp: amdahl(0.75, threads) }));
    expect(fitAmdahl(half)?.most).toBeCloseTo(4, 4);
  });

  it('needs three numbers of threads, and one of them 1', () => {
    const point = (threads: number) => ({ threads, speedUp: threads });
    expect(fitAmdahl([point(1), point(2)])).toBeNull();
    expect(fitAmdahl([point(1), point(2), point(2)])).toBeNull();
    expect(fitAmdahl([point(2), point(4), point(8)])).toBeNull();
  });
});
