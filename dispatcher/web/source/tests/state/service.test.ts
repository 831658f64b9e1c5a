import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { noteHeard } from '@/api/hearing';
import { stubBrowser, stubFetch } from '../silent_service';

stubBrowser();
const { service, startServiceWatch } = await import('@/state/service');

describe('a service that is frozen', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('is told of within 10 s, unless it is heard elsewhere, and so is its return', async () => {
    let isFrozen = false;
    stubFetch(() => (isFrozen ? null : Response.json({ status: 'ready', reasons: [] })));
    startServiceWatch();
    await vi.advanceTimersByTimeAsync(10);
    expect(service.value.condition).toBe('ready');
    isFrozen = true;
    await vi.advanceTimersByTimeAsync(9_000);
    noteHeard(); // another call was answered: this one waits for a connection
    await vi.advanceTimersByTimeAsync(2_000);
    expect(service.value.condition).toBe('ready');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(service.value.condition).toBe('away');
    isFrozen = false;
    await vi.advanceTimersByTimeAsync(6_100);
    expect(service.value.condition).toBe('ready');
  });
});
