import { createServer } from 'node:http';
import { answerHealth, type NotReady } from './health.ts';
import { closeAtOnce, type ListenAddress, listenOn } from './listen.ts';
import { silentLog } from './log.ts';
import type { Metrics } from './metrics.ts';
import { CodedError } from '../errors/index.ts';
import type { RunningPart } from './parts.ts';

/** Counts of what needs a hand, by code. */
export type WarningCounts = ReadonlyMap<string, number>;

/** A server of numbers and of readiness. */
export interface MetricsServer extends RunningPart {
  /** Rejects with `CodedError` `port-in-use`, `listen-failed`. */
  start(): Promise<void>;
}

/**
 * Serves `/metrics`, `/livez`, `/readyz` and `/healthz` over plain HTTP, for a scraper, a
 * supervisor and a load balancer. `/healthz` is the short form of `/readyz` and lists the codes of
 * the warnings, each with its count on a separate line. It exposes nothing secret.
 */
export function createMetricsServer(
  address: ListenAddress,
  metrics: Metrics,
  notReady: NotReady,
  warnings: () => Promise<WarningCounts> = async () => new Map(),
): MetricsServer {
  const server = createServer({ headersTimeout: 5000, requestTimeout: 5000 }, (request, response) => {
    if (answerHealth(request, response, notReady)) return;
    if (request.url === '/healthz') {
      const ready = notReady() === undefined;
      warnings().then(
        (counts) =>
          response
            .writeHead(ready ? 200 : 503, { 'content-type': 'text/plain' })
            .end(`${ready ? 'ready' : 'not ready'}\n${linesOf(counts)}`),
        () => response.writeHead(500).end(),
      );
    } else if (request.url === '/metrics') {
      metrics.render().then(
        (text) => response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(text),
        () => response.writeHead(500).end(),
      );
    } else {
      response.writeHead(404).end();
    }
  });
  server.maxConnections = 100;
  return {
    start: () =>
      listenOn({
        server,
        address,
        purpose: 'metrics',
        refusal: (code, message, options) => new CodedError(code, message, options),
        // Out of file descriptors: the next scrape tries again.
        log: silentLog,
      }),
    stop: () => closeAtOnce(server),
  };
}

function linesOf(counts: WarningCounts): string {
  return [...counts].map(([code, count]) => `warning ${code} ${count}\n`).join('');
}
