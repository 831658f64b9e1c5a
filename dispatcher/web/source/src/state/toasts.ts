// Short notes about what has just happened.
import { signal } from '@preact/signals';
import { asProblem } from '@/api/problem';

/** How a note is meant. */
export type Tone = 'good' | 'bad' | 'plain';

/** One note. */
export interface Toast {
  readonly id: number;
  readonly tone: Tone;
  readonly text: string;
  /** Of a problem: its code. */
  readonly code: string | null;
}

const SHOWN_MS = 6000;
let lastId = 0;

/** The notes that are shown now, the oldest first. */
export const toasts = signal<readonly Toast[]>([]);

/** Show a note; one about a failure stays until it is dismissed. */
export function showToast(
  text: string,
  { tone = 'plain', code = null }: Partial<Toast> = {},
): void {
  const id = (lastId += 1);
  toasts.value = [...toasts.value, { id, tone, text, code }];
  if (tone !== 'bad') setTimeout(() => dismissToast(id), SHOWN_MS);
}

/** Show that something failed. */
export function showProblem(thrown: unknown): void {
  const problem = asProblem(thrown);
  showToast(problem.detail, { tone: 'bad', code: problem.code });
}

/** Take a note away. */
export function dismissToast(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}
