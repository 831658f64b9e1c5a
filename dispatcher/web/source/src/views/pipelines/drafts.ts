// A pipeline that is being composed: steps with steps inside, and the document that the API takes.
import type { Params } from '@/api/params';

/** One step of the form. */
export interface DraftStep {
  /** Which it is, wherever it is moved. */
  readonly key: number;
  readonly type: string;
  /** Empty for its position in the line. */
  readonly stepId: string;
  readonly params: Params;
  /** As it was typed; empty for one. */
  readonly replicas: string;
  /** Id of a later step that pictures go to instead; empty for the usual one. */
  readonly preferredNext: string;
  /** Fields that the form has no place for, kept as they were written as JSON. */
  readonly more: Readonly<Record<string, unknown>>;
  /** Steps that come right after this one. */
  readonly nested: readonly DraftStep[];
}

/** A pipeline of the form. */
export interface Draft {
  /** Empty for none. */
  readonly name: string;
  readonly steps: readonly DraftStep[];
}

let lastKey = 0;

/** Return a step with nothing set. */
export function newStep(type: string): DraftStep {
  lastKey += 1;
  return {
    key: lastKey,
    type,
    stepId: '',
    params: {},
    replicas: '',
    preferredNext: '',
    more: {},
    nested: [],
  };
}

/** Return all steps in the order in which they stand in line: nested ones right after their parent. */
export function inLine(steps: readonly DraftStep[]): readonly DraftStep[] {
  return steps.flatMap((step) => [step, ...inLine(step.nested)]);
}

/** Return the id of a step: its own, or its position in the line. */
export function idOf(line: readonly DraftStep[], step: DraftStep): string {
  return step.stepId === '' ? String(line.indexOf(step)) : step.stepId;
}

/** Return the steps with one of them changed, or taken away with all inside when it becomes null. */
export function changed(
  steps: readonly DraftStep[],
  key: number,
  change: (step: DraftStep) => DraftStep | null,
): readonly DraftStep[] {
  return steps.flatMap((step) => {
    if (step.key !== key) return [{ ...step, nested: changed(step.nested, key, change) }];
    const after = change(step);
    return after === null ? [] : [after];
  });
}

/** Return the steps with one of them moved among its siblings: -1 is up, 1 is down. */
export function shifted(
  steps: readonly DraftStep[],
  key: number,
  by: -1 | 1,
): readonly DraftStep[] {
  const index = steps.findIndex((step) => step.key === key);
  const other = steps[index + by];
  const step = steps[index];
  if (step === undefined) {
    return steps.map((each) => ({ ...each, nested: shifted(each.nested, key, by) }));
  }
  if (other === undefined) return steps;
  return steps.map((each) => (each === step ? other : each === other ? step : each));
}

/** Return what `POST /pipeline` takes. */
export function documentOf(draft: Draft): Record<string, unknown> {
  const steps = draft.steps.map(stepDocument);
  return draft.name === '' ? { steps } : { name: draft.name, steps };
}

/** Return the form of a document; null when the form cannot show it. */
export function draftOf(document: unknown): Draft | null {
  if (!isObject(document)) return null;
  const { name, steps, ...others } = document;
  const read = readSteps(steps);
  const hasName = name === undefined || name === null || typeof name === 'string';
  if (read === null || !hasName || Object.keys(others).length > 0) return null;
  return { name: name ?? '', steps: read };
}

function stepDocument(step: DraftStep): Record<string, unknown> {
  const hasParams = Object.keys(step.params).length > 0;
  return {
    ...(step.stepId === '' ? {} : { step_id: step.stepId }),
    type: step.type,
    ...(hasParams ? { params: step.params } : {}),
    ...(step.replicas === '' ? {} : { replicas: numberOf(step.replicas) }),
    ...(step.preferredNext === '' ? {} : { preferred_next: step.preferredNext }),
    ...step.more,
    ...(step.nested.length === 0 ? {} : { steps: step.nested.map(stepDocument) }),
  };
}

function readSteps(value: unknown): readonly DraftStep[] | null {
  if (!Array.isArray(value)) return null;
  const steps = value.map(readStep);
  return steps.every((step) => step !== null) ? steps : null;
}

function readStep(value: unknown): DraftStep | null {
  if (!isObject(value)) return null;
  const { step_id, type, params, replicas, preferred_next, steps = [], ...more } = value;
  const nested = readSteps(steps);
  const stepId = readId(step_id);
  const preferredNext = readId(preferred_next);
  if (typeof type !== 'string' || !isCount(replicas)) return null;
  if (nested === null || stepId === null || preferredNext === null) return null;
  if (!isObject(params ?? {})) return null;
  const set = (params ?? {}) as Params;
  return {
    ...newStep(type),
    stepId,
    params: set,
    replicas: replicas === undefined ? '' : String(replicas),
    preferredNext,
    more,
    nested,
  };
}

function readId(value: unknown): string | null {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' || typeof value === 'number' ? String(value) : null;
}

function isCount(value: unknown): value is number | undefined {
  return value === undefined || typeof value === 'number';
}

/** What is no number is sent as it is: the service says what it should be. */
function numberOf(text: string): number | string {
  return /^\d+$/.test(text) ? Number(text) : text;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
