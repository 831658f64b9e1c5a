// The steps of a pipeline that is composed: added, put in order, put inside each other.
import { ArrowDown, ArrowUp, Plus, Trash2 } from 'lucide';
import { useRef } from 'preact/hooks';
import type { StepType } from '@/api/types';
import { focusRowAt } from '@/components/focusing';
import { Icon } from '@/components/Icon';
import { ParamFields } from '@/components/ParamFields';
import { RowButton } from '@/components/RowButton';
import { TextField } from '@/components/TextField';
import { changeDraft, draft, remarkAt } from '@/views/pipelines/composing';
import { changed, type DraftStep, idOf, inLine, newStep, shifted } from '@/views/pipelines/drafts';

interface StepListProps {
  readonly steps: readonly DraftStep[];
  readonly types: readonly StepType[];
  readonly label: string;
  readonly onAdd: (step: DraftStep) => void;
}

/** Steps that stand beside each other, and a way to add one. */
export function StepList({ steps, types, label, onAdd }: StepListProps) {
  const list = useRef<HTMLDivElement>(null);
  return (
    <div class="stack pipelines-steps" ref={list}>
      {steps.length === 0 ? null : (
        <ol class="stack" aria-label={label}>
          {steps.map((step, index) => (
            <li key={step.key}>
              <StepCard
                step={step}
                types={types}
                isFirst={index === 0}
                isLast={index === steps.length - 1}
                onRemoved={() => focusRowAt(list.current, index)}
              />
            </li>
          ))}
        </ol>
      )}
      <AddStep types={types} label={label} onAdd={onAdd} />
    </div>
  );
}

function AddStep({ types, label, onAdd }: Omit<StepListProps, 'steps'>) {
  return (
    <div class="row" role="group" aria-label={`Add to: ${label}`}>
      {types.map(({ type }) => (
        <button
          key={type}
          type="button"
          class="button button-small"
          onClick={() => onAdd(newStep(type))}
        >
          <Icon of={Plus} size={14} />
          {type}
        </button>
      ))}
    </div>
  );
}

interface StepCardProps {
  readonly step: DraftStep;
  readonly types: readonly StepType[];
  readonly isFirst: boolean;
  readonly isLast: boolean;
  readonly onRemoved: () => void;
}

function StepCard({ step, types, isFirst, isLast, onRemoved }: StepCardProps) {
  const id = idOf(inLine(draft.value.steps), step);
  const known = types.find(({ type }) => type === step.type);
  const name = `step ${id}, ${step.type}`;
  const fault = remarkAt(step, '') ?? remarkAt(step, 'type');
  return (
    <div class="pipelines-step">
      <div class="row row-between">
        <strong>
          {id}. {step.type}
        </strong>
        <div class="row">
          <RowButton
            icon={ArrowUp}
            label={`Move ${name} up`}
            isOff={isFirst}
            onClick={() => move(step, -1)}
          />
          <RowButton
            icon={ArrowDown}
            label={`Move ${name} down`}
            isOff={isLast}
            onClick={() => move(step, 1)}
          />
          <RowButton
            icon={Trash2}
            label={`Remove ${name}`}
            onClick={() => {
              change(step, () => null);
              onRemoved();
            }}
          />
        </div>
      </div>
      {fault === null ? null : (
        <p class="field-error" role="alert">
          {fault}
        </p>
      )}
      {known === undefined ? null : (
        <ParamFields
          schema={known.params}
          values={step.params}
          errors={paramErrors(step, known)}
          onChange={(params) => change(step, (each) => ({ ...each, params }))}
        />
      )}
      <OwnFields step={step} />
      <details class="pipelines-nested" open={step.nested.length > 0}>
        <summary>Steps inside, right after this one</summary>
        <StepList
          steps={step.nested}
          types={types}
          label={`Steps inside ${name}`}
          onAdd={(added) => change(step, (each) => ({ ...each, nested: [...each.nested, added] }))}
        />
      </details>
    </div>
  );
}

function OwnFields({ step }: { step: DraftStep }) {
  return (
    <div class="param-fields">
      <TextField
        label="replicas"
        value={step.replicas}
        placeholder="1"
        error={remarkAt(step, 'replicas')}
        onText={(text) => change(step, (each) => ({ ...each, replicas: text.trim() }))}
      />
      <TextField
        label="step id"
        value={step.stepId}
        placeholder="its position"
        error={remarkAt(step, 'step_id')}
        onText={(text) => change(step, (each) => ({ ...each, stepId: text.trim() }))}
      />
      <TextField
        label="preferred next"
        value={step.preferredNext}
        placeholder="the next one"
        error={remarkAt(step, 'preferred_next')}
        onText={(text) => change(step, (each) => ({ ...each, preferredNext: text.trim() }))}
      />
    </div>
  );
}

function paramErrors(step: DraftStep, known: StepType): Record<string, string> {
  const errors: Record<string, string> = {};
  for (const name of Object.keys(known.params.properties)) {
    const told = remarkAt(step, `params.${name}`);
    if (told !== null) errors[name] = told;
  }
  return errors;
}

function change(step: DraftStep, how: (step: DraftStep) => DraftStep | null): void {
  changeDraft({ steps: changed(draft.peek().steps, step.key, how) });
}

function move(step: DraftStep, by: -1 | 1): void {
  changeDraft({ steps: shifted(draft.peek().steps, step.key, by) });
}
