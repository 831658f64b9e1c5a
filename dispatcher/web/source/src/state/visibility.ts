// Whether anybody looks: nothing is asked of the service while nobody does.
import { signal } from '@preact/signals';

/** Whether the page is in sight. */
export const isVisible = signal(!document.hidden);

document.addEventListener('visibilitychange', () => {
  isVisible.value = !document.hidden;
});
