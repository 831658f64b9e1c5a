// Making a pipeline: in a form, or as JSON.
import { useRef, useState } from 'preact/hooks';
import type { StepType } from '@/api/types';
import { ProblemNote } from '@/components/ProblemNote';
import { TextField } from '@/components/TextField';
import { goTo, hrefTo } from '@/routes';
import { showToast } from '@/state/toasts';
import {
  changeDraft,
  changeJson,
  create,
  draft,
  forgetRefusal,
  isJson,
  jsonFault,
  jsonRemark,
  jsonText,
  remark,
  useJson,
  wholeRefusal,
} from '@/views/pipelines/composing';
import { StepList } from '@/views/pipelines/StepEditor';

/** The card in which a pipeline is composed. */
export function NewPipeline({ types }: { types: readonly StepType[] }) {
  const form = useRef<HTMLFormElement>(null);
  const [isBusy, setIsBusy] = useState(false);
  const submit = async (): Promise<void> => {
    setIsBusy(true);
    await createIfRight(form.current);
    setIsBusy(false);
    focusFault(form.current);
  };
  return (
    <section class="card" aria-labelledby="pipelines-new-title">
      <form
        class="stack"
        ref={form}
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (!isBusy) void submit();
        }}
      >
        <header class="row row-between">
          <h2 id="pipelines-new-title">New pipeline</h2>
          <FormOrJson />
        </header>
        {wholeRefusal.value === null ? null : <ProblemNote problem={wholeRefusal.value} />}
        {isJson.value ? <JsonField /> : <FormFields types={types} />}
        <div class="row row-end">
          <a class="button" href={hrefTo('pipelines')}>
            Back
          </a>
          <button type="submit" class="button button-primary" aria-disabled={isBusy}>
            {isBusy ? 'Creating …' : 'Create pipeline'}
          </button>
        </div>
      </form>
    </section>
  );
}

function FormOrJson() {
  void jsonFault.value; // what the form cannot show stays JSON, and so does the choice
  return (
    <fieldset class="segments" aria-label="How it is described">
      {(['Form', 'JSON'] as const).map((name) => (
        <label key={name}>
          <input
            type="radio"
            name="pipelines-kind"
            checked={isJson.value === (name === 'JSON')}
            onChange={() => useJson(name === 'JSON')}
          />
          {name}
        </label>
      ))}
    </fieldset>
  );
}

function FormFields({ types }: { types: readonly StepType[] }) {
  const { name, steps } = draft.value;
  const told = remark.value?.field === 'name' ? remark.value.text : null;
  return (
    <>
      <div class="pipelines-name">
        <TextField
          label="Name (optional)"
          value={name}
          maxLength={40}
          placeholder="thumbnails"
          error={told}
          onText={(text) => changeDraft({ name: text.trim() })}
        />
      </div>
      <div class="stack">
        <h3>Steps</h3>
        {steps.length === 0 ? (
          <p class="muted">No step yet. Pictures pass them in the order shown here.</p>
        ) : null}
        <StepList
          steps={steps}
          types={types}
          label="Steps in order"
          onAdd={(step) => changeDraft({ steps: [...draft.peek().steps, step] })}
        />
      </div>
    </>
  );
}

function JsonField() {
  const told = jsonRemark.value;
  return (
    <label class="field">
      <span>Pipeline as JSON</span>
      <textarea
        class="textarea pipelines-json"
        spellcheck={false}
        value={jsonText.value}
        aria-invalid={told !== null}
        aria-describedby={told === null ? undefined : 'pipelines-json-error'}
        onInput={(event) => changeJson(event.currentTarget.value)}
      />
      {told === null ? null : (
        <span class="field-error" id="pipelines-json-error">
          {told}
        </span>
      )}
    </label>
  );
}

/** Send what is in the form, unless a field holds something that never went into it. */
async function createIfRight(form: HTMLFormElement | null): Promise<void> {
  forgetRefusal();
  await shown();
  if (!isJson.peek() && form?.querySelector('[aria-invalid="true"]') !== null) return;
  const made = await create();
  if (made === null) return shown();
  showToast('The pipeline is made; its replicas start.', { tone: 'good' });
  goTo(hrefTo('pipelines'));
}

function focusFault(form: HTMLFormElement | null): void {
  form?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
}

/** Return when what has been changed is on the screen. */
async function shown(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve));
}
