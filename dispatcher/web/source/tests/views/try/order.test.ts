import { describe, expect, it } from 'vitest';
import type { StepType } from '@/api/types';
import {
  applicableTo,
  draggedTo,
  faultOf,
  moved,
  type Operation,
  submissionOf,
} from '@/views/try/order';

function type(name: string, more: Partial<StepType> = {}): StepType {
  const params = { type: 'object', properties: {}, required: [] } as const;
  return {
    type: name,
    params,
    request_params: params,
    fixed: [],
    input: 'image',
    output: 'image',
    shorthand: null,
    has_tiles: false,
    is_operation: true,
    ...more,
  };
}

const threads = { type: 'object', properties: { threads: {} }, required: [] } as const;
const size = { type: 'object', properties: { size: {} }, required: ['size'] } as const;
const TYPES = [
  type('classifier', { output: 'json' }),
  type('grayscale', { params: threads }),
  type('resize', { request_params: size }),
  type('sobel', { has_tiles: true }),
];
const ORDER = {
  kind: 'pipeline',
  pipeline: 'edges',
  steps: ['grayscale', 'sobel', 'classifier'],
  tiles: null,
  threads: null,
  output: '',
  usesCache: true,
} as const;

function chain(...types: string[]): Operation[] {
  return types.map((name, id) => ({ id, type: name, params: {} }));
}

describe('how a picture is sent', () => {
  it('names the pipeline and nothing that is its own default', () => {
    const { path, fields } = submissionOf(ORDER, TYPES);
    expect(path).toBe('/predict_async');
    expect(fields).toEqual([['pipeline', 'edges']]);
  });

  it('overrides threads where they are, and the format at the last step that makes a picture', () => {
    const order = { ...ORDER, tiles: 3, threads: 2, output: 'png', usesCache: false } as const;
    expect(Object.fromEntries(submissionOf(order, TYPES).fields)).toEqual({
      pipeline: 'edges',
      params: '{"grayscale":{"threads":2},"sobel":{"output":"png"}}',
      tiles: '3',
      cache: 'false',
    });
  });

  it('lists operations in their order', () => {
    const operations = [{ id: 7, type: 'resize', params: { size: '50%' } }, ...chain('sobel')];
    const { path, fileField, fields } = submissionOf(
      { kind: 'operations', operations, output: 'webp', usesCache: false },
      TYPES,
    );
    expect([path, fileField]).toEqual(['/process', 'files']);
    expect(JSON.parse(fields[0]?.[1] ?? '')).toEqual({
      operations: [
        { type: 'resize', params: { size: '50%' } },
        { type: 'sobel', params: {} },
      ],
      output: 'webp',
    });
  });
});

describe('choices', () => {
  it('mean something only where a step knows them', () => {
    expect(applicableTo(['classifier'], TYPES)).toEqual({
      tiles: false,
      threads: false,
      output: false,
    });
    expect(applicableTo(['grayscale', 'sobel'], TYPES)).toEqual({
      tiles: true,
      threads: true,
      output: true,
    });
  });
});

describe('a chain', () => {
  it('is put into another order', () => {
    expect(moved(['a', 'b', 'c'], 2, 0)).toEqual(['c', 'a', 'b']);
    expect(moved(['a', 'b', 'c'], 0, 1)).toEqual(['b', 'a', 'c']);
    expect(moved(['a', 'b'], 1, 2)).toEqual(['a', 'b']);
  });

  it('says why it cannot run', () => {
    expect(faultOf([], TYPES)).toBe('Add an operation first.');
    expect(faultOf(chain('classifier', 'sobel'), TYPES)).toContain('only be the last');
    expect(faultOf(chain('resize'), TYPES)).toBe('resize needs size.');
    expect(faultOf(chain('sobel', 'classifier'), TYPES)).toBeNull();
  });
});

it('an operation is dragged the way that the pointer goes, and stays when it stands still', () => {
  expect(draggedTo(2, 0, -80)).toBe(0);
  expect(draggedTo(0, 1, 0)).toBe(0); // the row that made room lies below the pointer now
  expect(draggedTo(0, 1, -3)).toBe(0);
  expect(draggedTo(0, 1, 3)).toBe(1);
});
