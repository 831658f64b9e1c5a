// The pipeline that a person composes; kept while other views are shown.
import { computed, signal } from '@preact/signals';
import { type ApiProblem, asProblem } from '@/api/problem';
import { callJson } from '@/api/client';
import { WORK_MS } from '@/api/deadline';
import type { PipelineChanged } from '@/api/service_types';
import { type Draft, type DraftStep, documentOf, draftOf } from '@/views/pipelines/drafts';
import { type Remark, remarkOf } from '@/views/pipelines/placing';

/** The code of a refusal that is about what was written, and names the place. */
const INVALID = 'invalid_pipeline';
const EMPTY: Draft = { name: '', steps: [] };

/** As it stands in the form. */
export const draft = signal<Draft>(EMPTY);
/** Whether it is written as JSON, and not composed in the form. */
export const isJson = signal(false);
/** As it is written as JSON. */
export const jsonText = signal('');
/** What is wrong with the text itself; null when it can be read. */
export const jsonFault = signal<string | null>(null);
/** Why the service refused it; null when it did not. */
export const refusal = signal<ApiProblem | null>(null);
/** Which field that is about; null when it is about none of the form. */
export const remark = signal<Remark | null>(null);

/** What is wrong with the text that was written as JSON; null when nothing is known. */
export const jsonRemark = computed(() => {
  const refused = refusal.value;
  return jsonFault.value ?? (refused?.code === INVALID ? refused.detail : null);
});
/** Why the service refused it, when that is said at no field. */
export const wholeRefusal = computed(() =>
  remark.value !== null || (isJson.value && jsonRemark.value !== null) ? null : refusal.value,
);

/** Take a change of the form; what the service said of it before may no longer be so. */
export function changeDraft(change: Partial<Draft>): void {
  draft.value = { ...draft.peek(), ...change };
  forgetRefusal();
}

/** Take a change of the text. */
export function changeJson(text: string): void {
  jsonText.value = text;
  jsonFault.value = null;
  forgetRefusal();
}

/** Go on as JSON, or in the form when that can show what was written. */
export function useJson(isOn: boolean): void {
  if (isOn) {
    changeJson(JSON.stringify(documentOf(draft.peek()), null, 2));
    isJson.value = true;
    return;
  }
  const read = parsed();
  if (read === null) return;
  const shown = draftOf(read.document);
  if (shown === null) {
    jsonFault.value = 'The form cannot show this: it takes an object with name and steps.';
    return;
  }
  changeDraft(shown);
  isJson.value = false;
}

/** Return what the service said of a field of a step. */
export function remarkAt(step: DraftStep, field: string): string | null {
  const found = remark.value;
  return found !== null && found.step === step.key && found.field === field ? found.text : null;
}

/** Forget what the service said. */
export function forgetRefusal(): void {
  refusal.value = null;
  remark.value = null;
}

/** Have the pipeline made; return what was, or null when it was refused. */
export async function create(): Promise<PipelineChanged | null> {
  forgetRefusal();
  const read = isJson.peek() ? parsed() : { document: documentOf(draft.peek()) };
  if (read === null) return null;
  try {
    const made = await callJson<PipelineChanged>('/pipeline', {
      method: 'POST',
      json: read.document,
      limitMs: WORK_MS,
    });
    draft.value = EMPTY;
    jsonText.value = '';
    isJson.value = false;
    return made;
  } catch (thrown) {
    const problem = asProblem(thrown);
    refusal.value = problem;
    remark.value = isJson.peek() ? null : remarkOf(problem.detail, draft.peek().steps);
    return null;
  }
}

function parsed(): { readonly document: unknown } | null {
  try {
    return { document: JSON.parse(jsonText.peek()) as unknown };
  } catch (thrown) {
    jsonFault.value = `This is no JSON: ${(thrown as SyntaxError).message}.`;
    return null;
  }
}
