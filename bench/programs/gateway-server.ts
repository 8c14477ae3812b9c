import { Gateway, parseRouteTable } from '../../src/gateway/index.ts';
import { createMetrics, silentLog, systemClock } from '../../src/platform/index.ts';

/** Our gateway with the routes it is given; prints its port. */
const routes = JSON.parse(process.argv[2] ?? '{}') as unknown;
const gateway = new Gateway({
  routes: parseRouteTable(routes),
  limits: {
    maxConnections: 10_000,
    maxConnectionsPerAddress: 10_000,
    helloTimeoutMs: 5000,
    connectTimeoutMs: 5000,
    idleTimeoutMs: 60_000,
  },
  clock: systemClock,
  log: silentLog,
  metrics: createMetrics({ processMetrics: false }),
});
await gateway.start({ host: '127.0.0.1', port: 0 });
console.log(JSON.stringify({ port: gateway.address().port }));
