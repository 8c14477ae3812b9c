import { readFileSync } from 'node:fs';
import { BundleEndpoint } from '../../src/bundle-endpoint/index.ts';
import { svidFromPem } from '../../src/mtls/index.ts';
import { createMetrics, silentLog, systemClock } from '../../src/platform/index.ts';
import { defaultBundleLimits, parseBundle, parseTrustDomain } from '../../src/spiffe/index.ts';
import type { BenchFiles } from '../support/bench-files.ts';

/** Our bundle endpoint on a port of its own, which it prints. The access log is off, as it is in the server beside it. */
interface EndpointOptions extends Pick<BenchFiles, 'certificate' | 'key' | 'bundle'> {
  /** Left out: `https_web`. */
  readonly profile?: 'https_spiffe';
  /** Whose bundle it is; left out: `a.example`. */
  readonly trustDomain?: string;
}

const files = JSON.parse(process.argv[2] ?? '{}') as EndpointOptions;
const svid = svidFromPem(readFileSync(files.certificate, 'utf8'), readFileSync(files.key, 'utf8'));
const endpoint = new BundleEndpoint({
  profile:
    files.profile === 'https_spiffe'
      ? { kind: 'https_spiffe', svid: { current: () => svid, onChange: () => () => {} } }
      : { kind: 'https_web', certificateFile: files.certificate, keyFile: files.key },
  url: new URL('https://localhost/'),
  path: '/',
  limits: { maxConnections: 10_000, maxConnectionsPerAddress: 10_000 },
  clock: systemClock,
  log: silentLog,
  metrics: createMetrics({ processMetrics: false }),
});
const { bundle } = parseBundle(
  parseTrustDomain(files.trustDomain ?? 'a.example'),
  readFileSync(files.bundle),
  defaultBundleLimits,
);
endpoint.publish({
  ...bundle,
  sequence: bundle.sequence ?? 1n,
  refreshHintSeconds: bundle.refreshHintSeconds ?? 300,
});
await endpoint.start({ host: '127.0.0.1', port: 0 });
console.log(JSON.stringify({ port: endpoint.address().port }));
