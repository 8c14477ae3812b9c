/** The log and the numbers of a process that runs: `Log` and `Metrics` of `platform`, with pino and prom-client. */
export { createJsonLog, type JsonLog, writtenFields } from './json-log.ts';
export { createMetrics } from './create-metrics.ts';
