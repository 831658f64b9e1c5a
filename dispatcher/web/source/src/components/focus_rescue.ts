// What has the focus may be taken away by an answer of the service: the keyboard stays near.
import type { RefObject } from 'preact';
import { useEffect } from 'preact/hooks';

/** Whoever has taken it away may know a better place, and says so at once. */
const AFTER_MS = 100;
const FOCUSABLE = 'button:not(:disabled), a[href], input:not(:disabled), select, textarea';

/** What has the focus, and what it stands in, from the inside out. */
interface Held {
  readonly element: Element;
  readonly around: readonly Element[];
}

/** Focus what stands beside the focused element, or the heading above it, when that is removed. */
export function useFocusRescue(root: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    const main = root.current;
    if (main === null) return;
    let held: Held | null = null;
    const onFocus = ({ target }: FocusEvent): void => {
      held = { element: target as Element, around: ancestorsOf(target as Element, main) };
    };
    const onBlur = ({ target }: FocusEvent): void => {
      queueMicrotask(() => {
        // Removed: then it was not given up. Focused: then only the window was left.
        const element = target as Element;
        const isGivenUp = element.isConnected && document.activeElement !== element;
        if (isGivenUp && held?.element === element) held = null;
      });
    };
    const observer = new MutationObserver(() => {
      if (held === null || held.element.isConnected) return;
      const { around } = held;
      held = null;
      setTimeout(() => rescue(around), AFTER_MS);
    });
    main.addEventListener('focusin', onFocus);
    main.addEventListener('focusout', onBlur);
    observer.observe(main, { childList: true, subtree: true });
    return () => {
      main.removeEventListener('focusin', onFocus);
      main.removeEventListener('focusout', onBlur);
      observer.disconnect();
    };
  }, []);
}

function rescue(around: readonly Element[]): void {
  if (document.activeElement !== document.body) return;
  const [parent] = around;
  const beside = parent?.isConnected === true ? parent.querySelector(FOCUSABLE) : null;
  if (beside instanceof HTMLElement) return beside.focus({ preventScroll: true });
  const heading = around
    .filter(({ isConnected }) => isConnected)
    .map((each) => each.querySelector<HTMLElement>('h1, h2, h3'))
    .find((found) => found !== null);
  if (heading === undefined) return;
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}

function ancestorsOf(element: Element, root: Element): Element[] {
  const around: Element[] = [];
  for (let each = element.parentElement; each !== null; each = each.parentElement) {
    around.push(each);
    if (each === root) break;
  }
  return around;
}
