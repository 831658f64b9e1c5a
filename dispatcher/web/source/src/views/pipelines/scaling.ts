// How far a step can be scaled, and how its replicas are told.
import type { PipelineDocument, PipelineStep } from '@/api/service_types';
import { counted } from '@/figures';

/** Most replicas that the service takes for a step. */
const MOST = 64;
/** As far as a slider goes unless there are more already: few machines have room for more. */
const USUAL = 8;

/** Between which numbers a step is scaled by hand. */
export interface Bounds {
  readonly min: number;
  readonly max: number;
  /** Whether the service moves the number by itself between them. */
  readonly isAutomatic: boolean;
}

/** Return the bounds of a step: its own when it follows the load. */
export function boundsOf({ replicas }: Pick<PipelineStep, 'replicas'>): Bounds {
  const { min, max, desired } = replicas;
  if (min < max) return { min, max, isAutomatic: true };
  return { min: 1, max: Math.min(MOST, Math.max(USUAL, desired * 2)), isAutomatic: false };
}

/** How one replica is: takes work, starts or ends, is still to be started. */
export type ReplicaLook = 'ready' | 'running' | 'wanted';

/** Return one entry for each replica that there is or shall be, those that take work first. */
export function replicaLooks({ replicas }: Pick<PipelineStep, 'replicas'>): readonly ReplicaLook[] {
  const { desired, running, ready } = replicas;
  const all = Math.max(desired, running, ready);
  return Array.from({ length: all }, (_, index) =>
    index < ready ? 'ready' : index < running ? 'running' : 'wanted',
  );
}

/** Return how the replicas of a step are in words: `1 of 3 ready, 2 starting`. */
export function replicaWords(step: Pick<PipelineStep, 'replicas'>): string {
  const { desired, ready, running } = step.replicas;
  const leaving = Math.max(0, running - desired);
  const starting = Math.max(0, Math.min(running, desired) - ready);
  const parts = [
    `${Math.min(ready, desired)} of ${desired} ready`,
    ...(starting > 0 ? [`${starting} starting`] : []),
    ...(leaving > 0 ? [`${leaving} ending`] : []),
  ];
  return parts.join(', ');
}

/** Return whether clients may delete a pipeline: those that are built in stay. */
export function isDeletable(pipeline: PipelineDocument): boolean {
  return pipeline.created_at !== null && pipeline.state !== 'deleting';
}

/** Return what a pipeline is called. */
export function nameOf({
  name,
  pipeline_id,
}: Pick<PipelineDocument, 'name' | 'pipeline_id'>): string {
  return name ?? pipeline_id;
}

/** Return the steps of a pipeline in words. */
export function stepWords({ steps }: PipelineDocument): string {
  return counted(steps.length, 'step');
}
