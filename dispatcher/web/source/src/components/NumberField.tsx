// A whole number from 1.
import type { Signal } from '@preact/signals';

interface NumberFieldProps<Empty extends number | null> {
  readonly label: string;
  readonly most: number;
  readonly value: Signal<number | Empty>;
  /** What an empty field, or one without a number, means. */
  readonly whenEmpty: Empty;
  readonly placeholder?: string;
}

/** A field for a whole number from 1 to `most`; what is typed beyond is brought back. */
export function NumberField<Empty extends number | null>(props: NumberFieldProps<Empty>) {
  const { label, most, value, whenEmpty, placeholder } = props;
  return (
    <label class="field">
      <span>{label}</span>
      <input
        class="input"
        type="number"
        min={1}
        max={most}
        placeholder={placeholder}
        value={value.value ?? ''}
        onChange={(event) => {
          const typed = Math.round(event.currentTarget.valueAsNumber);
          const kept = Number.isNaN(typed) ? whenEmpty : Math.min(most, Math.max(1, typed));
          value.value = kept;
          event.currentTarget.value = String(kept ?? ''); // the signal may not have changed
        }}
      />
    </label>
  );
}
