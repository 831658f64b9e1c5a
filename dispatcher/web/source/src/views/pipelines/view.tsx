// The view "Pipelines": what there is and how it is, and new ones.
import { Plus } from 'lucide';
import { callJson } from '@/api/client';
import type { PipelineList } from '@/api/service_types';
import type { StepTypeList } from '@/api/types';
import { useFocusOnMove } from '@/components/focus_on_move';
import { Icon } from '@/components/Icon';
import { ProblemNote } from '@/components/ProblemNote';
import { hrefTo, type ViewProps } from '@/routes';
import { usePolling } from '@/state/polling';
import { NewPipeline } from '@/views/pipelines/NewPipeline';
import { PipelineCard } from '@/views/pipelines/PipelineCard';
import '@/views/pipelines/pipelines.css';

/** Short enough to watch replicas start. */
const EVERY_S = 2;
/** The type of the pool that runs composed operations: no client can ask for one. */
const POOL_TYPE = 'operations';

/** The view. */
export default function View({ rest }: ViewProps) {
  const isNew = rest[0] === 'new';
  useFocusOnMove(isNew ? 'new' : '');
  return (
    <div class="view">
      <header class="view-head">
        <h1>Pipelines</h1>
        {isNew ? null : (
          <a class="button button-primary" href={hrefTo('pipelines', 'new')}>
            <Icon of={Plus} size={16} />
            New pipeline
          </a>
        )}
      </header>
      {isNew ? <Composing /> : <Existing />}
    </div>
  );
}

function Composing() {
  const types = usePolling((signal) => callJson<StepTypeList>('/step-types', { signal }), {
    everyS: 0,
  });
  const known = types.data.value?.step_types ?? [];
  const problem = types.problem.value;
  return (
    <>
      {problem === null || problem.isPassing || problem.isAboutKey ? null : (
        <ProblemNote problem={problem} />
      )}
      <NewPipeline types={known.filter(({ type }) => type !== POOL_TYPE)} />
    </>
  );
}

function Existing() {
  const list = usePolling((signal) => callJson<PipelineList>('/pipeline', { signal }), {
    everyS: EVERY_S,
  });
  const pipelines = list.data.value?.pipelines ?? null;
  const problem = list.problem.value;
  return (
    <>
      {problem === null || problem.status === 0 || problem.isAboutKey ? null : (
        <ProblemNote problem={problem} lead="The pipelines cannot be read." />
      )}
      {pipelines?.map((pipeline) => (
        <PipelineCard
          key={pipeline.pipeline_id}
          pipeline={pipeline}
          onChanged={() => list.refresh()}
        />
      ))}
      {pipelines?.length === 0 ? <p class="empty">There is no pipeline.</p> : null}
    </>
  );
}
