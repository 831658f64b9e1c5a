// Light, dark, or as the system is.
import { effect, signal } from '@preact/signals';

/** What a person can choose. */
export type Theme = 'system' | 'light' | 'dark';

const NAME = 'conveyor.theme';
const ORDER: readonly Theme[] = ['system', 'light', 'dark'];
const system = matchMedia('(prefers-color-scheme: dark)');
const isSystemDark = signal(system.matches);

/** What the person chose. */
export const theme = signal<Theme>(readTheme());
/** Whether dark is shown now. */
export const isDark = signal(false);

/** Show the theme from now on, whenever it changes; called once. */
export function startTheme(): void {
  system.addEventListener('change', (event) => {
    isSystemDark.value = event.matches;
  });
  effect(() => {
    isDark.value = theme.value === 'dark' || (theme.value === 'system' && isSystemDark.value);
    document.documentElement.dataset['theme'] = isDark.value ? 'dark' : 'light';
  });
}

/** Go on to the next theme. */
export function nextTheme(): void {
  theme.value = ORDER[(ORDER.indexOf(theme.value) + 1) % ORDER.length] ?? 'system';
  try {
    localStorage.setItem(NAME, theme.value);
  } catch {
    // It then lasts as long as the page.
  }
}

function readTheme(): Theme {
  try {
    const stored = localStorage.getItem(NAME);
    return ORDER.find((each) => each === stored) ?? 'system';
  } catch {
    return 'system';
  }
}
