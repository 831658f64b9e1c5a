import { expect, it } from 'vitest';
import { momentsOf, readSchedule, REFERENCE } from '@/views/experiments/schedule';

it.each([
  ['4,8,11', [4, 8, 11]],
  ['[4, 8, 11]', [4, 8, 11]],
  ['4 8\n11,', [4, 8, 11]],
  ['4 # at first\n0 8', [4, 0, 8]],
])('a schedule is read as the load tester does: %s', (text, perSecond) => {
  expect(readSchedule(text)).toEqual({ ok: true, perSecond });
});

it.each([
  ['', 'Say how many'],
  ['4,x,8', 'Entry 2'],
  ['1,-3', 'Entry 2'],
  ['1.5', 'Entry 1'],
  ['4,1000', 'Entry 2 is 1000'],
  ['0,0', 'Nothing would be sent'],
])('what is none is said: %s', (text, words) => {
  const read = readSchedule(text);
  expect(read.ok ? '' : read.error).toContain(words);
});

it('sends at equal distances within each second, the first as it begins', () => {
  expect(momentsOf([2, 0, 4])).toEqual([0, 0.5, 2, 2.25, 2.5, 2.75]);
});

it('knows the reference schedule', () => {
  expect(REFERENCE).toHaveLength(56);
  expect(readSchedule(REFERENCE.join(', '))).toEqual({ ok: true, perSecond: REFERENCE });
});
