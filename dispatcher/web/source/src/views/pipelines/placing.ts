// Which field of the form the service speaks of when it refuses a pipeline.
import { type DraftStep, idOf, inLine } from '@/views/pipelines/drafts';

/** A remark of the service about one field. */
export interface Remark {
  /** Key of the step; null for the pipeline itself. */
  readonly step: number | null;
  /** `name`, `type`, `step_id`, `replicas`, `preferred_next`, `params.NAME`; empty for a whole step. */
  readonly field: string;
  readonly text: string;
}

const ABOUT_STEP = /^step (?:at position (\d+)|([a-z0-9-]+)): (.*)$/su;
const ABOUT_FIELD = /^(params\.\w+|[a-z_]+)(?=[.:]| (?:does not fit|is missing|must be))/u;
const SHOWN = new Set(['type', 'step_id', 'replicas', 'preferred_next']);

/**
 * Return the field that a refusal is about; null when it is about none.
 *
 * @param detail of the problem: `step ID: FIELD: what is wrong`, `name: what is wrong`.
 * @param steps of the form, as they were sent.
 */
export function remarkOf(detail: string, steps: readonly DraftStep[]): Remark | null {
  if (detail.startsWith('name: ')) return { step: null, field: 'name', text: besideField(detail) };
  const [, position, id, rest = ''] = ABOUT_STEP.exec(detail) ?? [];
  const line = inLine(steps);
  const step =
    position === undefined
      ? line.findLast((each) => idOf(line, each) === id) // of two alike the second is too much
      : line[Number(position)];
  return step === undefined
    ? null
    : { step: step.key, field: fieldOf(rest), text: besideField(rest) };
}

function fieldOf(rest: string): string {
  if (rest.startsWith('two steps have this id')) return 'step_id';
  const [field = ''] = ABOUT_FIELD.exec(rest) ?? [];
  return SHOWN.has(field) || field.startsWith('params.') ? field : '';
}

/** Return a remark without the name of the field, which it stands beside. */
function besideField(text: string): string {
  return text.replace(/^(?:params\.|(?:name|type|step_id|replicas|preferred_next): )/u, '');
}
