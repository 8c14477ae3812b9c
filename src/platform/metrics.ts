import type { Counter, Gauge, Histogram } from 'prom-client';

/**
 * The numbers of one process in Prometheus form. A room makes its own instruments from it by name;
 * every name begins with `federate_`.
 */
export interface Metrics {
  counter(name: string, help: string, labels?: readonly string[]): Counter;
  gauge(name: string, help: string, labels?: readonly string[]): Gauge;
  histogram(name: string, help: string, buckets: readonly number[], labels?: readonly string[]): Histogram;
  /**
   * Adds a collector that computes numbers before each rendering. All collectors run before the
   * first number is rendered.
   */
  beforeRender(prepare: () => void | Promise<void>): void;
  /** The text exposition format. */
  render(): Promise<string>;
}
