// An icon of Lucide, drawn in the colour of the text beside it.
import type { IconNode } from 'lucide';
import { h } from 'preact';

interface IconProps {
  readonly of: IconNode;
  /** Said by screen readers; without it the icon is decoration. */
  readonly label?: string;
  /** In pixels. */
  readonly size?: number;
}

/** An icon; import it by name: `import { Upload } from 'lucide'`. */
export function Icon({ of, label, size = 18 }: IconProps) {
  const spoken =
    label === undefined
      ? { 'aria-hidden': true as const }
      : { role: 'img' as const, 'aria-label': label };
  return (
    <svg
      class="icon"
      xmlns="http://www.w3.org/2000/svg"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="1.75"
      stroke-linecap="round"
      stroke-linejoin="round"
      {...spoken}
    >
      {of.map(([tag, attributes]) => h(tag, attributes))}
    </svg>
  );
}
