import { signal } from '@preact/signals';
import { expect, it, vi } from 'vitest';
import { askBeforeLeaving } from '@/state/leaving';

it('is asked before the page is left, only while something would be lost', () => {
  const browser = new EventTarget();
  vi.stubGlobal('addEventListener', browser.addEventListener.bind(browser));
  vi.stubGlobal('removeEventListener', browser.removeEventListener.bind(browser));
  const isAsked = (): boolean =>
    !browser.dispatchEvent(new Event('beforeunload', { cancelable: true }));
  const isBusy = signal(false);
  askBeforeLeaving(() => isBusy.value);
  expect(isAsked()).toBe(false);
  isBusy.value = true;
  expect(isAsked()).toBe(true);
  isBusy.value = false;
  expect(isAsked()).toBe(false);
});
