import { describe, expect, it } from 'vitest';
import {
  changed,
  type DraftStep,
  documentOf,
  draftOf,
  idOf,
  inLine,
  newStep,
  shifted,
} from '@/views/pipelines/drafts';

function step(type: string, more: Partial<DraftStep> = {}): DraftStep {
  return { ...newStep(type), ...more };
}

const typesOf = (steps: readonly DraftStep[]): string[] => inLine(steps).map(({ type }) => type);

describe('a pipeline that is composed', () => {
  it('has nested steps right after their parent', () => {
    const steps = [
      step('blur', { nested: [step('sobel', { nested: [step('split')] })] }),
      step('resize'),
    ];
    expect(typesOf(steps)).toEqual(['blur', 'sobel', 'split', 'resize']);
  });

  it('counts ids along the line, but for those that are given', () => {
    const [blur, sobel] = [step('blur', { nested: [step('split')] }), step('sobel')];
    const line = inLine([blur, sobel]);
    expect(line.map((each) => idOf(line, each))).toEqual(['0', '1', '2']);
    expect(idOf(line, { ...sobel, stepId: 'edges' })).toBe('edges');
  });

  it('is changed, and cut, however deep a step is', () => {
    const inner = step('split');
    const steps = [step('blur', { nested: [inner] })];
    const renamed = changed(steps, inner.key, (each) => ({ ...each, stepId: 'cut' }));
    expect(renamed[0]?.nested[0]?.stepId).toBe('cut');
    expect(typesOf(changed(steps, inner.key, () => null))).toEqual(['blur']);
  });

  it('moves a step among its siblings and never beyond them', () => {
    const [one, other] = [step('sobel'), step('split')];
    const steps = [step('blur', { nested: [one, other] })];
    expect(typesOf(shifted(steps, one.key, 1))).toEqual(['blur', 'split', 'sobel']);
    expect(typesOf(shifted(steps, one.key, -1))).toEqual(['blur', 'sobel', 'split']);
  });

  it('is sent with what is set and nothing else', () => {
    const blur = step('blur', { params: { ksize: 5 }, nested: [step('sobel', { replicas: '3' })] });
    expect(documentOf({ name: '', steps: [blur] })).toEqual({
      steps: [{ type: 'blur', params: { ksize: 5 }, steps: [{ type: 'sobel', replicas: 3 }] }],
    });
  });

  it('leaves it to the service to refuse a number that is none', () => {
    const sent = documentOf({ name: 'a', steps: [step('blur', { replicas: 'two' })] });
    expect(sent).toEqual({ name: 'a', steps: [{ type: 'blur', replicas: 'two' }] });
  });
});

describe('a document as a form', () => {
  it('comes out as it went in, with what the form has no place for', () => {
    const document = {
      name: 'edges',
      steps: [
        { step_id: 'first', type: 'blur', replicas: 2, gpu: 1, steps: [{ type: 'sobel' }] },
        { type: 'resize', params: { size: '50%' }, min_replicas: 1 },
      ],
    };
    const draft = draftOf(document);
    expect(draft === null ? null : documentOf(draft)).toEqual(document);
  });

  it('is refused when a field of it would be lost', () => {
    expect(draftOf([])).toBeNull();
    expect(draftOf({ steps: [{ params: {} }] })).toBeNull();
    expect(draftOf({ steps: [{ type: 'blur', replicas: 'two' }] })).toBeNull();
    expect(draftOf({ steps: [], colour: 'red' })).toBeNull();
  });
});
