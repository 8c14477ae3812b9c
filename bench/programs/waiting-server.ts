import { readFileSync } from 'node:fs';
import { BundleEndpoint } from '../../src/bundle-endpoint/index.ts';
import { createMetrics, silentLog, systemClock } from '../../src/platform/index.ts';
import { parseBundle, parseTrustDomain } from '../../src/spiffe/index.ts';
import type { BenchFiles } from '../support/bench-files.ts';

/** Our bundle endpoint with room for many who wait; prints its port. At each SIGUSR2 its bundle changes. */
const { files, clients } = JSON.parse(process.argv[2] ?? '{}') as {
  readonly files: BenchFiles;
  readonly clients: number;
};
const endpoint = new BundleEndpoint({
  profile: { kind: 'https_web', certificateFile: files.certificate, keyFile: files.key },
  url: new URL('https://localhost/'),
  path: '/',
  limits: {
    maxConnections: clients + 10,
    maxConnectionsPerAddress: clients + 10,
    maxWaiting: 2 * clients,
    maxWaitingPerAddress: clients,
  },
  clock: systemClock,
  log: silentLog,
  metrics: createMetrics({ processMetrics: false }),
});
const { bundle } = parseBundle(parseTrustDomain('a.example'), readFileSync(files.bundle));
let { sequence = 0n } = bundle;
const publish = () => endpoint.publish({ ...bundle, sequence: (sequence += 1n) });
publish();
process.on('SIGUSR2', publish);
await endpoint.start({ host: '127.0.0.1', port: 0 });
console.log(JSON.stringify({ port: endpoint.address().port }));
