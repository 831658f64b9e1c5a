import { expect, it } from 'vitest';
import type { ReplicaDocument } from '@/api/service_types';
import { groupByStep, loadOf } from '@/views/live/replicas';

function replica(step: string, url: string, more: Partial<ReplicaDocument> = {}): ReplicaDocument {
  const idle = { ongoing: 0, served: 0, errors: 0, ewma_latency: null };
  return { url, step, state: 'ready', ...idle, ...more };
}

it('puts the replicas of a step together, those to look at first', () => {
  const groups = groupByStep([
    replica('default/0', 'idle', { served: 3 }),
    replica('other/0', 'elsewhere'),
    replica('default/0', 'busy', { ongoing: 5, served: 4 }),
    replica('default/0', 'ejected', { state: 'ejected', errors: 2 }),
  ]);
  expect(groups.map(({ step }) => step)).toEqual(['default/0', 'other/0']);
  expect(groups[0]).toMatchObject({ ready: 2, ongoing: 5, served: 7, errors: 2 });
  expect(groups[0]?.replicas.map(({ url }) => url)).toEqual(['ejected', 'busy', 'idle']);
});

it('tells load as a part of two batches', () => {
  expect(loadOf(replica('a/0', 'x', { ongoing: 8, max_batch_size: 8 }))).toBe(0.5);
  expect(loadOf(replica('a/0', 'x', { ongoing: 40, max_batch_size: 8 }))).toBe(1);
  expect(loadOf(replica('a/0', 'x', { ongoing: 1 }))).toBe(0.5);
});
