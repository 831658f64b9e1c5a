// A button of a row in a list: its icon says what it does to the row.
import type { ArrowUp } from 'lucide';
import { Icon } from '@/components/Icon';

interface RowButtonProps {
  readonly icon: typeof ArrowUp;
  readonly label: string;
  readonly isOff?: boolean;
  readonly onClick: () => void;
}

/** The button. */
export function RowButton({ icon, label, isOff = false, onClick }: RowButtonProps) {
  return (
    <button
      type="button"
      class="button button-quiet button-icon button-small"
      aria-label={label}
      aria-disabled={isOff}
      onClick={() => {
        if (!isOff) onClick(); // it stays in the order of the keyboard when it reaches an end
      }}
    >
      <Icon of={icon} size={16} />
    </button>
  );
}
