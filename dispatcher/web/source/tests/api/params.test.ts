import { describe, expect, it } from 'vitest';
import { kindOf, missingParams, paramText, parseParam } from '@/api/params';
import type { ParamSchema } from '@/api/types';

const TILES: ParamSchema = { type: 'integer', minimum: 1, maximum: 64, default: 1 };
const SIGMA: ParamSchema = { type: 'number', minimum: 0.3, maximum: 10 };
const THREADS: ParamSchema = {
  anyOf: [
    { type: 'integer', minimum: 1, maximum: 32 },
    { type: 'array', items: { type: 'integer' } },
  ],
};
const KSIZE: ParamSchema = { enum: [1, 3, 5], default: 3 };
const SIZE: ParamSchema = {
  type: ['string', 'integer'],
  pattern: '^(?:[1-9][0-9]*x[1-9][0-9]*|[1-9][0-9]*%)$(?!\\n)',
  examples: ['200x300', '50%'],
};

describe('a param', () => {
  it.each([
    [TILES, 'number'],
    [SIGMA, 'number'],
    [THREADS, 'numbers'],
    [KSIZE, 'choice'],
    [SIZE, 'text'],
  ] as const)('is asked for as fits its schema', (schema, kind) => {
    expect(kindOf(schema)).toBe(kind);
  });

  it.each([
    [TILES, ' 4 ', 4],
    [SIGMA, '0.5', 0.5],
    [THREADS, '2', 2],
    [THREADS, '1, 2,4', [1, 2, 4]],
    [KSIZE, '5', 5],
    [SIZE, '50%', '50%'],
    [TILES, '', undefined],
  ] as const)('is read from text', (schema, text, value) => {
    expect(parseParam(schema, text)).toEqual({ ok: true, value });
  });

  it.each([
    [TILES, '0'],
    [TILES, '1.5'],
    [TILES, 'many'],
    [SIGMA, '11'],
    [THREADS, '1,,2'],
    [THREADS, '1, 99'],
    [KSIZE, '4'],
    [SIZE, '0x5'],
  ] as const)('that cannot be is refused with what can', (schema, text) => {
    const parsed = parseParam(schema, text);
    expect(parsed.ok).toBe(false);
    expect(parsed.ok ? '' : parsed.error).not.toBe('');
  });

  it('is written as it is read', () => {
    expect(paramText([1, 2, 4])).toBe('1, 2, 4');
    expect(paramText(undefined)).toBe('');
  });

  it('that must be given is missed', () => {
    const schema = { type: 'object', properties: { size: SIZE }, required: ['size'] } as const;
    expect(missingParams(schema, {})).toEqual(['size']);
    expect(missingParams(schema, { size: '50%' })).toEqual([]);
  });
});
