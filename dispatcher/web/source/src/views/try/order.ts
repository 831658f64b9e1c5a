// What shall be done with pictures, and how the API is told: decided without asking anybody.
import type { Params } from '@/api/params';
import type { StepType } from '@/api/types';

/** One operation of a chain. */
export interface Operation {
  /** Which it is, however the chain is put into another order. */
  readonly id: number;
  readonly type: string;
  readonly params: Params;
}

/** Formats that a picture can be delivered in; empty means the input's. */
export type OutputFormat = '' | 'jpg' | 'png' | 'webp';

/** What shall be done with a picture. */
export type Order =
  | {
      readonly kind: 'pipeline';
      /** Id or name. */
      readonly pipeline: string;
      /** The types of its steps, in order. */
      readonly steps: readonly string[];
      readonly tiles: number | null;
      readonly threads: number | null;
      readonly output: OutputFormat;
      readonly usesCache: boolean;
    }
  | {
      readonly kind: 'operations';
      readonly operations: readonly Operation[];
      readonly output: OutputFormat;
      readonly usesCache: boolean;
    };

/** A request as `call` takes it, but for the picture itself. */
export interface Submission {
  readonly path: string;
  /** Name of the form's field for the picture. */
  readonly fileField: string;
  /** The other fields, in order. */
  readonly fields: readonly (readonly [name: string, value: string])[];
}

/** Return how a picture is sent. */
export function submissionOf(order: Order, stepTypes: readonly StepType[]): Submission {
  const cache: [string, string][] = order.usesCache ? [] : [['cache', 'false']];
  if (order.kind === 'operations') {
    const operations = order.operations.map(({ type, params }) => ({ type, params }));
    const output = order.output === '' ? {} : { output: order.output };
    const actions = JSON.stringify({ operations, ...output });
    return { path: '/process', fileField: 'files', fields: [['actions', actions], ...cache] };
  }
  const fields: [string, string][] = [['pipeline', order.pipeline]];
  const params = overridesOf(order, stepTypes);
  if (Object.keys(params).length > 0) fields.push(['params', JSON.stringify(params)]);
  if (order.tiles !== null) fields.push(['tiles', String(order.tiles)]);
  return { path: '/predict_async', fileField: 'image', fields: [...fields, ...cache] };
}

/**
 * Say whether a picture may be sent again when nobody knows what became of it: a pipeline knows it
 * by its key, and an equal one that may use known results is computed once.
 */
export function isSafeTwice(order: Order): boolean {
  return order.kind === 'pipeline' || order.usesCache;
}

/** Which of the choices mean anything for these steps. */
export interface Applicable {
  readonly tiles: boolean;
  readonly threads: boolean;
  readonly output: boolean;
}

/** Return which choices mean anything for steps of these types. */
export function applicableTo(steps: readonly string[], stepTypes: readonly StepType[]): Applicable {
  const found = stepTypes.filter(({ type }) => steps.includes(type));
  return {
    tiles: found.some((each) => each.has_tiles),
    threads: found.some((each) => 'threads' in each.params.properties),
    output: found.some((each) => each.output !== 'json'),
  };
}

/**
 * Return the chain with one operation moved to another place; both count from 0.
 *
 * A place that is none leaves the chain as it is.
 */
export function moved<T>(chain: readonly T[], from: number, to: number): readonly T[] {
  const entry = chain[from];
  if (entry === undefined || to < 0 || to >= chain.length || from === to) return chain;
  const others = chain.filter((_, index) => index !== from);
  return [...others.slice(0, to), entry, ...others.slice(to)];
}

/**
 * Return the place of an operation that is dragged over another one.
 *
 * It follows the pointer's way alone: rows are not equally high, and the one that made room may
 * come to lie below a pointer that stands still.
 *
 * @param movedPx how far down the pointer went since it was last asked.
 */
export function draggedTo(from: number, over: number, movedPx: number): number {
  return (over < from && movedPx < 0) || (over > from && movedPx > 0) ? over : from;
}

/** Return why a chain cannot run; null when it can. */
export function faultOf(
  operations: readonly Operation[],
  stepTypes: readonly StepType[],
): string | null {
  if (operations.length === 0) return 'Add an operation first.';
  for (const [index, { type, params }] of operations.entries()) {
    const known = stepTypes.find((each) => each.type === type);
    if (known === undefined) return `The service knows no ${type}.`;
    const isLast = index === operations.length - 1;
    if (known.output === 'json' && !isLast)
      return `${type} gives no picture, so it can only be the last.`;
    const missing = known.request_params.required.find((name) => params[name] === undefined);
    if (missing !== undefined && !known.fixed.includes(missing)) return `${type} needs ${missing}.`;
  }
  return null;
}

function overridesOf(
  order: Extract<Order, { kind: 'pipeline' }>,
  stepTypes: readonly StepType[],
): Record<string, Record<string, unknown>> {
  const overrides: Record<string, Record<string, unknown>> = {};
  if (order.threads !== null && order.steps.includes('grayscale')) {
    overrides['grayscale'] = { threads: order.threads };
  }
  const makesPicture = (type: string): boolean =>
    stepTypes.some((each) => each.type === type && each.output !== 'json');
  const last = order.steps.findLast(makesPicture);
  if (order.output !== '' && last !== undefined) {
    overrides[last] = { ...overrides[last], output: order.output };
  }
  return overrides;
}
