import { createServer } from 'node:http';
import type { Metrics } from '../platform/index.ts';
import type { ListenAddress } from './config/fields.ts';
import type { RunningPart } from './process.ts';
import { listen } from './listen.ts';

/** `/metrics` and `/healthz` over plain HTTP, for a scraper and a load balancer; nothing secret is told. */
export async function startMetricsServer(
  address: ListenAddress,
  metrics: Metrics,
  ready: () => boolean,
): Promise<RunningPart> {
  const server = createServer({ headersTimeout: 5000, requestTimeout: 5000 }, (request, response) => {
    if (request.url === '/healthz') {
      response
        .writeHead(ready() ? 200 : 503, { 'content-type': 'text/plain' })
        .end(ready() ? 'ready\n' : 'not ready\n');
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
  await listen(server, address, 'metrics');
  return {
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
