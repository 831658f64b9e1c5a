// A line of text and what is wrong with it.
import { useId } from 'preact/hooks';

interface TextFieldProps {
  readonly label: string;
  readonly value: string;
  readonly placeholder?: string;
  readonly maxLength?: number;
  readonly error: string | null;
  /** Called with what is typed. */
  readonly onText: (text: string) => void;
}

/** The field. */
export function TextField({ label, value, error, onText, ...others }: TextFieldProps) {
  const id = useId();
  return (
    <div class="field">
      <label class="label" for={id}>
        {label}
      </label>
      <input
        {...others}
        id={id}
        class="input"
        autocomplete="off"
        spellcheck={false}
        value={value}
        aria-invalid={error !== null}
        aria-describedby={error === null ? undefined : `${id}-error`}
        onInput={(event) => onText(event.currentTarget.value)}
      />
      {error === null ? null : (
        <span class="field-error" id={`${id}-error`} role="alert">
          {error}
        </span>
      )}
    </div>
  );
}
