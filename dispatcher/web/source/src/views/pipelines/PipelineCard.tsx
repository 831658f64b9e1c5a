// One pipeline that there is: how it is, its steps, and the way to be rid of it.
import { Trash2 } from 'lucide';
import { useState } from 'preact/hooks';
import { call } from '@/api/client';
import { DRAIN_MS } from '@/api/deadline';
import type { PipelineDocument } from '@/api/service_types';
import { Dialog } from '@/components/Dialog';
import { Icon } from '@/components/Icon';
import { StatusBadge } from '@/components/StatusBadge';
import { formatDate, momentOf } from '@/figures';
import { showProblem, showToast } from '@/state/toasts';
import { isDeletable, nameOf, stepWords } from '@/views/pipelines/scaling';
import { StepRow } from '@/views/pipelines/StepRow';

interface PipelineCardProps {
  readonly pipeline: PipelineDocument;
  /** Called when the service has taken a change. */
  readonly onChanged: () => void;
}

/** A pipeline. */
export function PipelineCard({ pipeline, onChanged }: PipelineCardProps) {
  const { pipeline_id: id, created_at, state } = pipeline;
  return (
    <section class="card stack" aria-labelledby={`pipelines-${id}`}>
      <header class="row row-between">
        <div class="row pipelines-title">
          <h2 id={`pipelines-${id}`} class="clip">
            {nameOf(pipeline)}
          </h2>
          <StatusBadge state={state} />
          <span class="small muted">{stepWords(pipeline)}</span>
        </div>
        {isDeletable(pipeline) ? <Deletion pipeline={pipeline} onChanged={onChanged} /> : null}
      </header>
      <p class="small muted">
        {pipeline.name === null ? null : <span class="mono">{id} · </span>}
        {created_at === null ? 'built in' : `made ${formatDate(momentOf(created_at))}`}
        {' · takes pictures at '}
        <span class="mono">{pipeline.entry.process_url}</span>
      </p>
      <ol class="pipelines-rows" aria-label={`Steps of ${nameOf(pipeline)}`}>
        {pipeline.steps.map((step) => (
          <StepRow
            key={step.step_id}
            pipelineId={id}
            step={step}
            isOpen={state !== 'deleting'}
            onChanged={onChanged}
          />
        ))}
      </ol>
    </section>
  );
}

function Deletion({ pipeline, onChanged }: PipelineCardProps) {
  const [isAsked, setIsAsked] = useState(false);
  const name = nameOf(pipeline);
  return (
    <>
      <button
        class="button button-danger"
        aria-label={`Delete ${name}`}
        onClick={() => setIsAsked(true)}
      >
        <Icon of={Trash2} size={16} />
        Delete
      </button>
      <Dialog title={`Delete ${name}?`} isOpen={isAsked} onClose={() => setIsAsked(false)}>
        <p>
          It takes no new work, finishes what it has, and then leaves nothing behind. Results that
          it has made stay.
        </p>
        <div class="row row-end">
          <button class="button" onClick={() => setIsAsked(false)}>
            Keep it
          </button>
          <button
            class="button button-danger"
            onClick={() => {
              setIsAsked(false);
              void remove(pipeline, onChanged);
            }}
          >
            Delete the pipeline
          </button>
        </div>
      </Dialog>
    </>
  );
}

async function remove(pipeline: PipelineDocument, onChanged: () => void): Promise<void> {
  const path = `/pipeline/${encodeURIComponent(pipeline.pipeline_id)}`;
  try {
    await call(path, { method: 'DELETE', limitMs: DRAIN_MS }); // answers when all its work is done
    showToast(`${nameOf(pipeline)} is deleted.`, { tone: 'good' });
  } catch (thrown) {
    showProblem(thrown);
  }
  onChanged();
}
