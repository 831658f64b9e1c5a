// Fields for the params of a step, as its JSON schema says.
import { useEffect, useId, useState } from 'preact/hooks';
import { kindOf, type Params, paramText, parseParam } from '@/api/params';
import type { ParamSchema, ParamsSchema } from '@/api/types';

interface ParamFieldsProps {
  readonly schema: ParamsSchema;
  /** What is set; whatever is left out has its default. */
  readonly values: Params;
  /** Called with all values whenever one has changed and is right. */
  readonly onChange: (values: Params) => void;
  /** Params that are asked for elsewhere, or cannot be chosen. */
  readonly skip?: readonly string[];
  /** What the service said of a param, by its name. */
  readonly errors?: Readonly<Record<string, string>>;
}

/** One field for each param. */
export function ParamFields({
  schema,
  values,
  onChange,
  skip = [],
  errors = {},
}: ParamFieldsProps) {
  const names = Object.keys(schema.properties).filter((name) => !skip.includes(name));
  if (names.length === 0) return null;
  return (
    <div class="param-fields">
      {names.map((name) => (
        <ParamField
          key={name}
          name={name}
          schema={schema.properties[name] ?? {}}
          isNeeded={schema.required.includes(name)}
          value={values[name]}
          error={errors[name] ?? null}
          onChange={(value) => {
            const { [name]: _, ...others } = values;
            onChange(value === undefined ? others : { ...others, [name]: value });
          }}
        />
      ))}
    </div>
  );
}

interface ParamFieldProps {
  readonly name: string;
  readonly schema: ParamSchema;
  readonly isNeeded: boolean;
  readonly value: unknown;
  readonly error: string | null;
  readonly onChange: (value: unknown) => void;
}

function ParamField({ name, schema, isNeeded, value, error, onChange }: ParamFieldProps) {
  const [text, setText] = useState(paramText(value));
  const [own, setOwn] = useState<string | null>(null);
  const id = useId();
  useEffect(() => {
    // Set from outside; while somebody types, the text is theirs.
    const parsed = parseParam(schema, text);
    if (!parsed.ok || paramText(parsed.value) !== paramText(value)) {
      setText(paramText(value));
      setOwn(null);
    }
  }, [paramText(value)]);
  const told = own ?? error;
  const take = (typed: string): void => {
    setText(typed);
    const parsed = parseParam(schema, typed);
    setOwn(parsed.ok ? null : parsed.error);
    if (parsed.ok) onChange(parsed.value);
  };
  const shared = {
    id,
    'aria-invalid': told !== null,
    'aria-describedby': `${id}-hint ${id}-error`,
    value: text,
  };
  return (
    <div class="field">
      <label class="label" for={id}>
        {name}
      </label>
      {kindOf(schema) === 'choice' ? (
        <select {...shared} class="select" onChange={(event) => take(event.currentTarget.value)}>
          <option value="">{defaultText(schema)}</option>
          {(schema.enum ?? [])
            .filter((choice) => choice !== null && choice !== schema.default)
            .map((choice) => (
              <option key={String(choice)} value={String(choice)}>
                {String(choice)}
              </option>
            ))}
        </select>
      ) : (
        <input
          {...shared}
          class="input"
          inputMode={kindOf(schema) === 'number' ? 'decimal' : 'text'}
          required={isNeeded}
          placeholder={placeholderOf(schema)}
          onInput={(event) => take(event.currentTarget.value)}
        />
      )}
      {schema.description === undefined ? null : (
        <span class="field-hint" id={`${id}-hint`}>
          {schema.description}
        </span>
      )}
      {told === null ? null : (
        <span class="field-error" id={`${id}-error`} role="alert">
          {told}
        </span>
      )}
    </div>
  );
}

function defaultText(schema: ParamSchema): string {
  if (schema.default === undefined) return 'choose';
  return schema.default === null ? 'as the input' : String(schema.default);
}

function placeholderOf(schema: ParamSchema): string {
  if (schema.default !== undefined && schema.default !== null) return paramText(schema.default);
  return (schema.examples ?? []).slice(0, 2).map(paramText).join(' or ');
}
