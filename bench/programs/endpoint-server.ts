import { readFileSync } from 'node:fs';
import { BundleEndpoint } from '../../src/bundle-endpoint/index.ts';
import { createMetrics, silentLog, systemClock } from '../../src/platform/index.ts';
import { parseBundle, parseTrustDomain } from '../../src/spiffe/index.ts';
import type { BenchFiles } from '../support/bench-files.ts';

/** Our bundle endpoint on a port of its own, which it prints. The access log is off, as it is in the server beside it. */
const files = JSON.parse(process.argv[2] ?? '{}') as BenchFiles;
const endpoint = new BundleEndpoint({
  profile: { kind: 'https_web', certificateFile: files.certificate, keyFile: files.key },
  url: new URL('https://localhost/'),
  path: '/',
  limits: { maxConnections: 10_000, maxConnectionsPerAddress: 10_000 },
  clock: systemClock,
  log: silentLog,
  metrics: createMetrics({ processMetrics: false }),
});
endpoint.publish(parseBundle(parseTrustDomain('a.example'), readFileSync(files.bundle)).bundle);
await endpoint.start({ host: '127.0.0.1', port: 0 });
console.log(JSON.stringify({ port: endpoint.address().port }));
