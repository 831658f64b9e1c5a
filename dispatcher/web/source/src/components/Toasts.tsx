// Notes in the corner; screen readers say them without losing their place.
import { X } from 'lucide';
import { useRef } from 'preact/hooks';
import { focusSoon } from '@/components/focusing';
import { Icon } from '@/components/Icon';
import { dismissToast, toasts } from '@/state/toasts';

/** All notes of the moment. */
export function Toasts() {
  const all = useRef<HTMLDivElement>(null);
  const before = useRef<EventTarget | null>(null);
  const dismiss = (id: number): void => {
    dismissToast(id);
    focusSoon(() => all.current?.querySelector('button') ?? placeBefore(before.current));
  };
  return (
    <div
      class="toasts"
      role="status"
      aria-live="polite"
      ref={all}
      onFocusIn={({ relatedTarget, currentTarget }) => {
        if (!currentTarget.contains(relatedTarget as Node | null)) before.current = relatedTarget;
      }}
    >
      {toasts.value.map((toast) => (
        <div key={toast.id} class={`toast toast-${toast.tone}`}>
          <p>
            {toast.text} {toast.code === null ? null : <code>{toast.code}</code>}
          </p>
          <button
            class="button button-quiet button-icon"
            aria-label="Dismiss"
            onClick={() => dismiss(toast.id)}
          >
            <Icon of={X} size={16} />
          </button>
        </div>
      ))}
    </div>
  );
}

/** Where the keyboard was before it came to the notes. */
function placeBefore(place: EventTarget | null): HTMLElement | null {
  return place instanceof HTMLElement && place.isConnected
    ? place
    : document.getElementById('main');
}
