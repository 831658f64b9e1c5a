import { describe, expect, it } from 'vitest';
import { boundsOf, replicaLooks, replicaWords } from '@/views/pipelines/scaling';

function step(desired: number, running: number, ready: number, min = desired, max = desired) {
  return { replicas: { desired, running, ready, min, max } };
}

describe('how far a step is scaled by hand', () => {
  it('is as far as few machines go, and further when it is already', () => {
    expect(boundsOf(step(1, 1, 1))).toEqual({ min: 1, max: 8, isAutomatic: false });
    expect(boundsOf(step(20, 20, 20)).max).toBe(40);
    expect(boundsOf(step(50, 50, 50)).max).toBe(64);
  });

  it('is what the step says when it follows the load', () => {
    expect(boundsOf(step(2, 2, 2, 1, 4))).toEqual({ min: 1, max: 4, isAutomatic: true });
  });
});

describe('replicas', () => {
  it('are shown one by one, those that take work first', () => {
    expect(replicaLooks(step(4, 2, 1))).toEqual(['ready', 'running', 'wanted', 'wanted']);
    expect(replicaLooks(step(1, 2, 2))).toEqual(['ready', 'ready']);
  });

  it('are told in words', () => {
    expect(replicaWords(step(3, 3, 1))).toBe('1 of 3 ready, 2 starting');
    expect(replicaWords(step(1, 2, 2))).toBe('1 of 1 ready, 1 ending');
    expect(replicaWords(step(2, 0, 0))).toBe('0 of 2 ready');
  });
});
