import perfHooks from 'node:perf_hooks';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createMetrics } from '../../src/platform/index.ts';

afterEach(() => vi.restoreAllMocks());

describe('the numbers of the process', () => {
  it('cost nothing before the first rendering, and are there in the first answer', async () => {
    const monitor = vi.spyOn(perfHooks, 'monitorEventLoopDelay');
    const metrics = createMetrics({ processMetrics: true });
    metrics.counter('federate_test_total', 'A counter').inc({});
    expect(monitor).not.toHaveBeenCalled();

    const first = await metrics.render();
    expect(monitor).toHaveBeenCalledOnce();
    expect(first).toContain('process_cpu_seconds_total ');
    expect(first).toContain('nodejs_eventloop_lag_p99_seconds ');
    expect(first).toContain('federate_test_total 1');

    await metrics.render();
    expect(monitor).toHaveBeenCalledOnce();
  });

  it('are left out where they are not wanted', async () => {
    const metrics = createMetrics({ processMetrics: false });
    metrics.counter('federate_test_total', 'A counter').inc({});
    const text = await metrics.render();
    expect(text).toContain('federate_test_total 1');
    expect(text).not.toContain('process_cpu_seconds_total');
  });

  it('are those of each registry, where two agents run in one process', async () => {
    const both = [createMetrics({ processMetrics: true }), createMetrics({ processMetrics: true })];
    const texts = await Promise.all(both.map(async (each) => each.render()));
    for (const text of texts) expect(text).toContain('process_resident_memory_bytes ');
  });
});
