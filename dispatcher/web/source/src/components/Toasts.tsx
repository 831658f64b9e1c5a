// Notes in the corner; screen readers say them without losing their place.
import { X } from 'lucide';
import { Icon } from '@/components/Icon';
import { dismissToast, toasts } from '@/state/toasts';

/** All notes of the moment. */
export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((toast) => (
        <div key={toast.id} class={`toast toast-${toast.tone}`}>
          <p>
            {toast.text} {toast.code === null ? null : <code>{toast.code}</code>}
          </p>
          <button
            class="button button-quiet button-icon"
            aria-label="Dismiss"
            onClick={() => dismissToast(toast.id)}
          >
            <Icon of={X} size={16} />
          </button>
        </div>
      ))}
    </div>
  );
}
