import { describe, expect, it } from 'vitest';
import { newStep } from '@/views/pipelines/drafts';
import { remarkOf } from '@/views/pipelines/placing';

const inner = { ...newStep('sobel'), stepId: 'edges' };
const first = { ...newStep('blur'), nested: [inner] };
const last = newStep('resize');
const steps = [first, last];

describe('a refusal of the service', () => {
  // The sentences are those of dispatcher/pipelines.
  it.each([
    ['name: default, operations and pipeline-… are not free.', null, 'name'],
    ['step 0: params.ksize does not fit; it must be {"enum": [1]}.', first.key, 'params.ksize'],
    ['step 2: params.size is missing.', last.key, 'params.size'],
    ['step edges: params.threads.0 does not fit: x.', inner.key, 'params.threads'],
    ['step edges: replicas: must be a whole number from 1 to 64.', inner.key, 'replicas'],
    ['step edges: preferred_next: must be a later step; x.', inner.key, 'preferred_next'],
    ['step at position 1: step_id: must be a whole number.', inner.key, 'step_id'],
    ['step edges: two steps have this id.', inner.key, 'step_id'],
    ['step 2: a classifier gives JSON and no picture.', last.key, ''],
    ["step 2: params: unknown key 'x'; known: size.", last.key, ''],
    ['step 2: gpu: must be a whole number from 0 to 16.', last.key, ''],
  ])('%s', (detail, key, field) => {
    const found = remarkOf(detail, steps);
    expect([found?.step, found?.field]).toEqual([key, field]);
  });

  it('is told without what it stands beside', () => {
    const text = (detail: string) => remarkOf(detail, steps)?.text;
    expect(text('step 2: params.size is missing.')).toBe('size is missing.');
    expect(text('step 2: replicas: must be less.')).toBe('must be less.');
    expect(text('name: a pipeline has this name.')).toBe('a pipeline has this name.');
  });

  it('is about no field when it names no step of the form', () => {
    expect(remarkOf('steps: must be a list of at least one step.', steps)).toBeNull();
    expect(remarkOf('step 9: params.size is missing.', steps)).toBeNull();
  });
});
