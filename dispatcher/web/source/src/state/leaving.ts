// Asking before the page is left, only while something would be lost by it.
import { effect } from '@preact/signals';

/** Have the browser ask whoever leaves the page, for as long as this is so; reads signals. */
export function askBeforeLeaving(isNeeded: () => boolean): void {
  const ask = (event: BeforeUnloadEvent): void => event.preventDefault();
  effect(() => {
    // A page that listens is kept out of the browser's cache of pages, so it listens seldom.
    if (isNeeded()) addEventListener('beforeunload', ask);
    else removeEventListener('beforeunload', ask);
  });
}
