import { readFileSync } from 'node:fs';
import { createSpiffeVerifier, MtlsServer, svidFromPem } from '../../src/mtls/index.ts';
import { silentLog, systemClock } from '../../src/platform/index.ts';
import {
  BundleSet,
  bundleOf,
  certificatesFromPem,
  parseTrustDomain,
  x509AuthorityFromDer,
} from '../../src/spiffe/index.ts';
import type { BenchFiles } from './certificates.ts';

/** Our mTLS server, which verifies every client and answers one short request; it prints its port. */
const files = JSON.parse(process.argv[2] ?? '{}') as BenchFiles;
const roots = certificatesFromPem(readFileSync(files.ca, 'utf8')).map(x509AuthorityFromDer);
const svid = svidFromPem(readFileSync(files.certificate, 'utf8'), readFileSync(files.key, 'utf8'));
const server = new MtlsServer({
  svid: { current: () => svid, onChange: () => () => {} },
  verifier: createSpiffeVerifier({
    bundles: new BundleSet([bundleOf(parseTrustDomain('a.example'), roots)]),
    clock: systemClock,
  }),
  authorize: () => {},
  log: silentLog,
  onConnection: (socket) =>
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')),
});
await server.listen(0, '127.0.0.1');
console.log(JSON.stringify({ port: server.address().port }));
