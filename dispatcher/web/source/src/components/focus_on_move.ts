// Where the keyboard is after a move inside a view: where it is after a move between views.
import { useEffect, useRef } from 'preact/hooks';

/**
 * Focus the content when a view shows something else, as a browser does with another page.
 *
 * @param about what is shown; nothing is done when the view is opened, for the page does that.
 */
export function useFocusOnMove(about: string): void {
  const shown = useRef(about);
  useEffect(() => {
    if (shown.current === about) return;
    shown.current = about;
    document.getElementById('main')?.focus();
  }, [about]);
}
