// What shall be done with the next pictures.
import { useId } from 'preact/hooks';
import { NumberField } from '@/components/NumberField';
import {
  applicable,
  kind,
  offered,
  output,
  pipelineId,
  steps,
  threads,
  tiles,
  usesCache,
} from '@/views/try/choices';
import { OperationsEditor } from '@/views/try/OperationsEditor';
import type { OutputFormat } from '@/views/try/order';

const FORMATS: readonly (readonly [OutputFormat, string])[] = [
  ['', 'As the input'],
  ['jpg', 'JPEG'],
  ['png', 'PNG'],
  ['webp', 'WebP'],
];
const MOST_TILES = 64;
const MOST_THREADS = 32;

/** The card on the left: a pipeline, or operations in order. */
export function ChoicesCard() {
  const isPipeline = kind.value === 'pipeline';
  return (
    <section class="card stack try-choices" aria-labelledby="try-choices-title">
      <h2 id="try-choices-title">What to do</h2>
      <fieldset class="segments try-kind">
        <legend class="visually-hidden">How it is chosen</legend>
        <label>
          <input
            type="radio"
            name="try-kind"
            checked={isPipeline}
            onChange={() => (kind.value = 'pipeline')}
          />
          Pipeline
        </label>
        <label>
          <input
            type="radio"
            name="try-kind"
            checked={!isPipeline}
            onChange={() => (kind.value = 'operations')}
          />
          Operations
        </label>
      </fieldset>
      {isPipeline ? <PipelineChoices /> : <OperationsEditor />}
      {isPipeline && !applicable.value.output ? null : <OutputField />}
      <label class="check">
        <input
          type="checkbox"
          checked={usesCache.value}
          onChange={(event) => (usesCache.value = event.currentTarget.checked)}
        />
        <span>Use known results</span>
      </label>
    </section>
  );
}

function PipelineChoices() {
  const id = useId();
  return (
    <>
      <div class="field">
        <label class="label" for={id}>
          Pipeline
        </label>
        <select
          id={id}
          class="select"
          value={pipelineId.value}
          onChange={(event) => (pipelineId.value = event.currentTarget.value)}
        >
          {offered.value.length === 0 ? <option value="default">default</option> : null}
          {offered.value.map((each) => (
            <option key={each.pipeline_id} value={each.pipeline_id}>
              {each.name ?? each.pipeline_id}
              {each.state === 'ready' ? '' : ` (${each.state})`}
            </option>
          ))}
        </select>
        {steps.value.length === 0 ? null : (
          <span class="field-hint">{steps.value.join(' → ')}</span>
        )}
      </div>
      <div class="param-fields" hidden={!applicable.value.tiles && !applicable.value.threads}>
        {applicable.value.tiles ? (
          <NumberField
            label="Tiles"
            most={MOST_TILES}
            value={tiles}
            whenEmpty={null}
            placeholder="1"
          />
        ) : null}
        {applicable.value.threads ? (
          <NumberField
            label="Threads"
            most={MOST_THREADS}
            value={threads}
            whenEmpty={null}
            placeholder="1"
          />
        ) : null}
      </div>
    </>
  );
}

function OutputField() {
  const id = useId();
  return (
    <div class="field">
      <label class="label" for={id}>
        Output format
      </label>
      <select
        id={id}
        class="select"
        value={output.value}
        onChange={(event) => (output.value = event.currentTarget.value as OutputFormat)}
      >
        {FORMATS.map(([format, name]) => (
          <option key={format} value={format}>
            {name}
          </option>
        ))}
      </select>
    </div>
  );
}
