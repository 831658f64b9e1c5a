// Params of a step as text that people type, and back; the service checks them again.
import type { ParamSchema, ParamsSchema } from '@/api/types';

/** Params by name; one that is left out has its default. */
export type Params = Readonly<Record<string, unknown>>;

/** How a param is best asked for. */
export type FieldKind = 'choice' | 'number' | 'numbers' | 'text';

/** A text that was read. */
export type Parsed =
  | { readonly ok: true /** undefined: the default. */; readonly value: unknown }
  | { readonly ok: false; readonly error: string };

/** Return how a param is best asked for. */
export function kindOf(schema: ParamSchema): FieldKind {
  if (schema.enum !== undefined) return 'choice';
  if (schema.anyOf?.some((option) => option.type === 'array') === true) return 'numbers';
  const kinds = typesOf(schema);
  return kinds.every((kind) => kind === 'integer' || kind === 'number') && kinds.length > 0
    ? 'number'
    : 'text';
}

/** Return the text of a value: `1, 2, 4` for a list. */
export function paramText(value: unknown): string {
  if (value === undefined || value === null) return '';
  return Array.isArray(value) ? value.join(', ') : String(value);
}

/** Read what was typed; nothing means the default. */
export function parseParam(schema: ParamSchema, text: string): Parsed {
  const trimmed = text.trim();
  if (trimmed === '') return { ok: true, value: undefined };
  switch (kindOf(schema)) {
    case 'choice':
      return parseChoice(schema.enum ?? [], trimmed);
    case 'number':
      return parseNumber(schema, trimmed);
    case 'numbers':
      return parseNumbers(schema, trimmed);
    case 'text':
      return parseText(schema, trimmed);
  }
}

/** Return the params of a schema that must be given and are not. */
export function missingParams(schema: ParamsSchema, values: Params): string[] {
  return schema.required.filter((name) => values[name] === undefined);
}

function parseChoice(choices: readonly unknown[], text: string): Parsed {
  const value = choices.find((choice) => String(choice) === text);
  return value === undefined
    ? { ok: false, error: 'Not one of the choices.' }
    : { ok: true, value };
}

function parseNumber(schema: ParamSchema, text: string): Parsed {
  const value = Number(text);
  const isWhole = typesOf(schema).includes('integer');
  const { minimum = -Infinity, maximum = Infinity } = schema;
  const isRight =
    Number.isFinite(value) &&
    value >= minimum &&
    value <= maximum &&
    (!isWhole || Number.isInteger(value));
  if (isRight) return { ok: true, value };
  const kind = isWhole ? 'A whole number' : 'A number';
  return { ok: false, error: `${kind} from ${minimum} to ${maximum}.` };
}

function parseNumbers(schema: ParamSchema, text: string): Parsed {
  const single = schema.anyOf?.find((option) => option.type !== 'array') ?? {};
  const values: unknown[] = [];
  for (const part of text.split(',')) {
    const parsed = parseNumber(single, part.trim() === '' ? 'none' : part);
    if (!parsed.ok)
      return { ok: false, error: `${parsed.error} Several with commas between them.` };
    values.push(parsed.value);
  }
  return { ok: true, value: values.length === 1 ? values[0] : values };
}

function parseText(schema: ParamSchema, text: string): Parsed {
  // Python's (?!\n) behind $ means the same in JavaScript.
  if (schema.pattern === undefined || new RegExp(schema.pattern, 'u').test(text)) {
    return { ok: true, value: text };
  }
  const examples = (schema.examples ?? []).map(String).join(', ');
  return {
    ok: false,
    error: examples === '' ? 'Not allowed here.' : `Something like ${examples}.`,
  };
}

function typesOf(schema: ParamSchema): readonly string[] {
  if (schema.type === undefined) return [];
  return typeof schema.type === 'string' ? [schema.type] : schema.type;
}
