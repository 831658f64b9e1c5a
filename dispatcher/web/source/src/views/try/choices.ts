// What the person has chosen to be done with the next pictures; kept while other views are shown.
import { computed, signal } from '@preact/signals';
import type { PipelineDocument } from '@/api/service_types';
import type { StepType } from '@/api/types';
import {
  applicableTo,
  faultOf,
  type Operation,
  type Order,
  type OutputFormat,
} from '@/views/try/order';

/** Whether a pipeline is picked or operations are composed. */
export const kind = signal<Order['kind']>('pipeline');
/** The pipeline's id. */
export const pipelineId = signal('default');
/** The chain of operations, in order. */
export const operations = signal<readonly Operation[]>([]);
/** Chunks that replicas compute at once; null for the pipeline's own. */
export const tiles = signal<number | null>(null);
/** OpenMP threads of grayscale; null for the pipeline's own. */
export const threads = signal<number | null>(null);
/** The format of what is made. */
export const output = signal<OutputFormat>('');
/** Whether a known result may be used. */
export const usesCache = signal(true);
/** Whether a zip is fetched when all pictures have ended. */
export const zipsByItself = signal(false);

/** What the service can do; empty until it has said. */
export const stepTypes = signal<readonly StepType[]>([]);
/** The pipelines that there are; empty until the service has said. */
export const pipelines = signal<readonly PipelineDocument[]>([]);

/** The pool that runs composed operations is no pipeline to be picked. */
const OPERATIONS_POOL = 'operations';
/** Pipelines that can be picked. */
export const offered = computed(() =>
  pipelines.value.filter(({ pipeline_id }) => pipeline_id !== OPERATIONS_POOL),
);
/** Step types that can be composed. */
export const composable = computed(() =>
  stepTypes.value.filter((each) => each.is_operation || each.type === 'classifier'),
);
/** The types of the steps of the pipeline that is picked. */
export const steps = computed(
  () =>
    pipelines.value
      .find((each) => each.pipeline_id === pipelineId.value)
      ?.steps.map(({ type }) => type) ?? [],
);
/** Which choices mean anything for the pipeline that is picked. */
export const applicable = computed(() => applicableTo(steps.value, stepTypes.value));
/** Why pictures cannot be taken as things are chosen; null when they can. */
export const fault = computed(() =>
  kind.value === 'operations' ? faultOf(operations.value, stepTypes.value) : null,
);

let lastOperation = 0;

/** Put an operation at the end of the chain. */
export function addOperation(type: string): void {
  lastOperation += 1;
  operations.value = [...operations.value, { id: lastOperation, type, params: {} }];
}

/** Return all that is chosen now. */
export function currentOrder(): Order {
  if (kind.value === 'operations') {
    return {
      kind: 'operations',
      operations: operations.value,
      output: output.value,
      usesCache: usesCache.value,
    };
  }
  const { tiles: hasTiles, threads: hasThreads, output: hasOutput } = applicable.value;
  return {
    kind: 'pipeline',
    pipeline: pipelineId.value,
    steps: steps.value,
    tiles: hasTiles ? tiles.value : null,
    threads: hasThreads ? threads.value : null,
    output: hasOutput ? output.value : '',
    usesCache: usesCache.value,
  };
}
