import { expect, it } from 'vitest';
import { formOf, readThreads, timingsOf } from '@/views/experiments/scaling';

it.each([
  ['1, 2, 4', [1, 2, 4]],
  ['8 4;2,1', [1, 2, 4, 8]],
  ['2,2,2', [2]],
])('numbers of threads are read: %s', (text, threads) => {
  expect(readThreads(text)).toEqual({ ok: true, threads });
});

it.each(['', '0', '33', '1.5', '-1', 'two', Array.from({ length: 17 }, (_, n) => n + 1).join(' ')])(
  'what are no such numbers is said: %s',
  (text) => {
    expect(readThreads(text)).toMatchObject({ ok: false });
  },
);

it('asks for one grayscale step that is computed anew', () => {
  const picture = new File(['x'], 'a.png');
  const form = formOf({ threads: [1, 2], passes: 3, repeats: 4 }, picture);
  expect(JSON.parse(String(form.get('actions')))).toEqual({
    operations: [{ type: 'grayscale', params: { threads: [1, 2], passes: 3, repeats: 4 } }],
  });
  expect(form.get('cache')).toBe('false');
  expect((form.get('files') as File).name).toBe('a.png');
});

it('finds the timings of a result, and nothing else', () => {
  const timing = { kernel_s: 0.5, kernel_min_s: 0.4, megapixels_per_s: 9, speed_up: 2, repeats: 3 };
  const read = { kernelS: 0.5, kernelMinS: 0.4, megapixelsPerS: 9, speedUp: 2 };
  const timings = [{ ...timing, threads: 4 }, { threads: 'odd' }, null, { ...timing, threads: 1 }];
  expect(timingsOf({ filename: 'a.png', timings })).toEqual([
    { threads: 1, ...read },
    { threads: 4, ...read },
  ]);
  expect(timingsOf({ filename: 'a.png' })).toEqual([]);
});
