// A dialog over the page: the browser's own, so focus and Escape work as people know them.

import { X } from 'lucide';
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { Icon } from '@/components/Icon';

interface DialogProps {
  readonly title: string;
  readonly isOpen: boolean;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
  /** `wide` for pictures and tables. */
  readonly size?: 'normal' | 'wide';
}

/** A modal dialog; its content exists only while it is open. */
export function Dialog({ title, isOpen, onClose, children, size = 'normal' }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const isOurs = useRef(false);
  const titleId = useId();
  useEffect(() => {
    const element = dialog.current;
    if (element === null) return;
    if (isOpen && !element.open) element.showModal();
    if (!isOpen && element.open) {
      isOurs.current = true; // the event comes later, when it may be open again
      element.close();
    }
  }, [isOpen]);
  return (
    <dialog
      ref={dialog}
      class={`dialog dialog-${size}`}
      aria-labelledby={titleId}
      onClose={() => {
        if (isOurs.current) isOurs.current = false;
        else onClose(); // Escape
      }}
      onClick={(event) => {
        if (event.target === event.currentTarget) onClose(); // the backdrop
      }}
    >
      {isOpen ? (
        <div class="dialog-body">
          <header class="dialog-head">
            <h2 id={titleId}>{title}</h2>
            <button class="button button-quiet button-icon" aria-label="Close" onClick={onClose}>
              <Icon of={X} />
            </button>
          </header>
          {children}
        </div>
      ) : null}
    </dialog>
  );
}
