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
import type { BenchFiles } from '../support/bench-files.ts';

/**
 * An mTLS server of ours that proves each client and answers one request; prints its port. It remembers no peer: the load shows
 * one certificate again and again, and a remembered one would spare us the verification that the server beside it does.
 */
const files = JSON.parse(process.argv[2] ?? '{}') as BenchFiles;
const svid = svidFromPem(readFileSync(files.certificate, 'utf8'), readFileSync(files.key, 'utf8'));
const roots = certificatesFromPem(readFileSync(files.ca, 'utf8')).map((der) => x509AuthorityFromDer(der));
const bundle = bundleOf(parseTrustDomain('a.example'), roots, { sequence: 1n });
const server = new MtlsServer({
  svid: { current: () => svid, onChange: () => () => {} },
  verifier: createSpiffeVerifier({ bundles: new BundleSet([bundle]), clock: systemClock, cacheEntries: 0 }),
  authorize: () => {},
  log: silentLog,
  onConnection: (socket) => {
    socket.once('data', () =>
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nok\n'),
    );
  },
});
await server.listen(0, '127.0.0.1');
console.log(JSON.stringify({ port: server.address().port }));
