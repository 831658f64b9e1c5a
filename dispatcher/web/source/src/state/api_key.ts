// The API key: for this tab alone, never in an address. What outlives the tab is for a password
// manager to keep: any script of this origin could read it in the browser's own storage.
import { signal } from '@preact/signals';

const NAME = 'conveyor.api-key';

/** The key that every call bears; empty for none. Set it with `useKey`. */
export const apiKey = signal(readKey());
/** Whether the service has refused the last call for want of a key that it knows. */
export const isKeyRefused = signal(false);
/** Whether the dialog stands open. */
export const isKeyDialogOpen = signal(false);

/** Use a key from now on; an empty one means none. */
export function useKey(key: string): void {
  store(key);
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
  try {
    return sessionStorage.getItem(NAME) ?? '';
  } catch {
    return ''; // a browser that keeps nothing
  }
}

function store(key: string): void {
  try {
    if (key === '') sessionStorage.removeItem(NAME);
    else sessionStorage.setItem(NAME, key);
  } catch {
    // The key then lasts as long as the page.
  }
}
