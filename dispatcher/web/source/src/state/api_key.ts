// The API key: for this tab, or for this browser when the person says so. Never in an address.
import { computed, signal } from '@preact/signals';

const NAME = 'conveyor.api-key';

/** The key that every call bears; empty for none. Set it with `useKey`. */
export const apiKey = signal(readKey());
/** Whether the service has refused the last call for want of a key that it knows. */
export const isKeyRefused = signal(false);
/** Whether the dialog stands open. */
export const isKeyDialogOpen = signal(false);
/** Whether the key outlives this tab. */
export const isKeyRemembered = computed(() => apiKey.value !== '' && stored(localStorage) !== null);

/** Use a key from now on; an empty one means none. */
export function useKey(key: string, { remember }: { remember: boolean }): void {
  store(sessionStorage, remember ? '' : key);
  store(localStorage, remember ? key : '');
  isKeyRefused.value = false;
  isKeyDialogOpen.value = false;
  apiKey.value = key;
}

/** Note that a call was refused with 401: the person is asked once, not at every call. */
export function keyIsRefused(): void {
  if (isKeyRefused.peek()) return;
  isKeyRefused.value = true;
  isKeyDialogOpen.value = true;
}

function readKey(): string {
  return stored(sessionStorage) ?? stored(localStorage) ?? '';
}

function stored(storage: Storage): string | null {
  try {
    return storage.getItem(NAME);
  } catch {
    return null; // a browser that keeps nothing
  }
}

function store(storage: Storage, key: string): void {
  try {
    if (key === '') storage.removeItem(NAME);
    else storage.setItem(NAME, key);
  } catch {
    // The key then lasts as long as the page.
  }
}
