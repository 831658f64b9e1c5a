// Replicas by the step that they belong to.
import type { ReplicaDocument } from '@/api/service_types';

/** The replicas of one step. */
export interface StepGroup {
  /** `PIPELINE/STEP`. */
  readonly step: string;
  readonly ready: number;
  /** Items that they have on hand. */
  readonly ongoing: number;
  readonly served: number;
  readonly errors: number;
  /** Those to look at first: not ready, then the busiest. */
  readonly replicas: readonly ReplicaDocument[];
}

/** Return replicas by step, in the order in which the service names the steps. */
export function groupByStep(replicas: readonly ReplicaDocument[]): StepGroup[] {
  const groups = new Map<string, ReplicaDocument[]>();
  for (const replica of replicas) {
    const group = groups.get(replica.step);
    if (group === undefined) groups.set(replica.step, [replica]);
    else group.push(replica);
  }
  return [...groups].map(([step, members]) => ({
    step,
    ready: members.filter(isReady).length,
    ongoing: sum(members, ({ ongoing }) => ongoing),
    served: sum(members, ({ served }) => served),
    errors: sum(members, ({ errors }) => errors),
    replicas: members.toSorted(
      (a, b) => Number(isReady(a)) - Number(isReady(b)) || b.ongoing - a.ongoing,
    ),
  }));
}

/**
 * Return how much a replica has on hand, as a part (0 to 1) of the most that it is given: twice
 * its batch size, so that the next batch is there when it has done one.
 */
export function loadOf(replica: ReplicaDocument): number {
  return Math.min(1, replica.ongoing / (2 * Math.max(1, replica.max_batch_size ?? 1)));
}

function isReady({ state }: ReplicaDocument): boolean {
  return state === 'ready';
}

function sum<T>(all: readonly T[], of: (each: T) => number): number {
  return all.reduce((total, each) => total + of(each), 0);
}
