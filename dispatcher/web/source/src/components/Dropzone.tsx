// Where files are dropped or chosen; with the keyboard, too.
import { ImageUp } from 'lucide';
import type { ComponentChildren } from 'preact';
import { useId, useRef, useState } from 'preact/hooks';
import { Icon } from '@/components/Icon';

interface DropzoneProps {
  /** Called with all files at once; never with none. */
  readonly onFiles: (files: readonly File[]) => void;
  /** What the chooser offers, as of an input: `image/*`. */
  readonly accept: string;
  readonly isMultiple?: boolean;
  readonly label: string;
  /** Small, once there is something else to look at. */
  readonly isCompact?: boolean;
  /** A quieter line below the label. */
  readonly children?: ComponentChildren;
}

/** A place to drop files on that is also a button to choose them. */
export function Dropzone({
  onFiles,
  accept,
  isMultiple = true,
  label,
  isCompact = false,
  children,
}: DropzoneProps) {
  const input = useRef<HTMLInputElement>(null);
  const [isOver, setIsOver] = useState(false);
  const id = useId();
  const give = (list: FileList | null | undefined): void => {
    const files = [...(list ?? [])];
    if (files.length > 0) onFiles(isMultiple ? files : files.slice(0, 1));
  };
  return (
    <div
      class={`dropzone ${isOver ? 'dropzone-over' : ''} ${isCompact ? 'dropzone-compact' : ''}`}
      onDragOver={(event) => {
        event.preventDefault();
        setIsOver(true);
      }}
      onDragLeave={() => setIsOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        event.stopPropagation(); // taken: views that take files from anywhere need not
        setIsOver(false);
        give(event.dataTransfer?.files);
      }}
    >
      <input
        ref={input}
        id={id}
        type="file"
        class="visually-hidden"
        accept={accept}
        multiple={isMultiple}
        onChange={(event) => {
          give(event.currentTarget.files);
          event.currentTarget.value = ''; // the same file can be chosen again
        }}
      />
      <label class="dropzone-label" for={id}>
        <Icon of={ImageUp} size={isCompact ? 20 : 28} />
        <strong>{label}</strong>
        {children === undefined ? null : <span class="muted">{children}</span>}
      </label>
    </div>
  );
}
