import { createRequire } from 'node:module';
import type { Metrics } from './metrics.ts';

/**
 * Loads prom-client when the first registry is made: a command that only asks a running agent does
 * not pay for it.
 */
const load = createRequire(import.meta.url);

/**
 * Makes a registry of its own, so that two agents in one process do not share numbers. The numbers
 * of the process are kept from the first rendering on. Because Node's monitor of the event loop
 * wakes a hundred times a second, an agent without a scraper would use most of its time for it.
 */
export function createMetrics(options: { readonly processMetrics: boolean }): Metrics {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the package and its types have one name
  const prometheus = load('prom-client') as typeof import('prom-client');
  const { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } = prometheus;
  const registry = new Registry();
  let hasAll = !options.processMetrics;
  const registers = [registry];
  const preparing: (() => void | Promise<void>)[] = [];
  return {
    counter: (name, help, labels = []) => new Counter({ name, help, labelNames: [...labels], registers }),
    gauge: (name, help, labels = []) => new Gauge({ name, help, labelNames: [...labels], registers }),
    histogram: (name, help, buckets, labels = []) =>
      new Histogram({ name, help, buckets: [...buckets], labelNames: [...labels], registers }),
    beforeRender: (prepare) => void preparing.push(prepare),
    // Prom-client runs all collectors at the same time, so a value that one sets for another would
    // be one scrape late.
    render: async () => {
      if (!hasAll) collectDefaultMetrics({ register: registry });
      hasAll = true;
      // A failing collector, as with an unreadable store, must not hide the other numbers.
      await Promise.allSettled(preparing.map(async (prepare) => prepare()));
      return registry.metrics();
    },
  };
}
