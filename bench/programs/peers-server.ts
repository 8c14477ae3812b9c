import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { once } from 'node:events';
import { createSecureContext, TLSSocket } from 'node:tls';
import { secureContextOptions } from '../../src/mtls/index.ts';
import {
  bundleOf,
  generateKeyPair,
  issueCertificate,
  parseTrustDomain,
  pemFromCertificates,
  serializeBundle,
  x509AuthorityFromDer,
} from '../../src/spiffe/index.ts';
import { createTestCa } from '../../testkit/test-ca.ts';

/**
 * The endpoints of many peers on one port of loopback: `/7` answers with the bundle of `peer-7.example`, each with a root of its
 * own. They are served under the SPIFFE ID `spiffe://host.example/endpoint`, with more different SVIDs in turn than a verifier
 * remembers, so that every poll verifies a chain. Writes all bundles to `file`, prints the port.
 */
const { peers, svids, file } = JSON.parse(process.argv[2] ?? '{}') as {
  readonly peers: number;
  readonly svids: number;
  readonly file: string;
};
const now = Date.now();
const validity = { notBefore: new Date(now - 3_600_000), notAfter: new Date(now + 86_400_000) };

const host = await createTestCa({ trustDomain: 'host.example', ...validity });
const contexts: ReturnType<typeof createSecureContext>[] = [];
for (let index = 0; index < svids; index += 1) {
  const { certPem, keyPem } = await host.issueLeaf({ path: '/endpoint', ...validity });
  contexts.push(createSecureContext({ ...secureContextOptions(), cert: certPem, key: keyPem }));
}

const documents: string[] = [];
for (let index = 0; index < peers; index += 1) {
  const name = `peer-${index}.example`;
  const keys = await generateKeyPair('P-256');
  const root = await issueCertificate({
    subject: `O=${name},CN=Root`,
    publicKey: keys.publicKey,
    signingKey: keys.privateKey,
    ...validity,
    isCa: true,
    keyUsage: ['keyCertSign', 'cRLSign'],
    uriSans: [`spiffe://${name}`],
  });
  const bundle = bundleOf(parseTrustDomain(name), [x509AuthorityFromDer(root)], {
    sequence: 1n,
    refreshHintSeconds: 3600,
  });
  documents.push(Buffer.from(serializeBundle(bundle)).toString('utf8'));
}
writeFileSync(file, JSON.stringify({ hostRootPem: pemFromCertificates([host.root]), documents }));

let served = 0;
const server = createServer({ noDelay: true }, (tcp) => {
  tcp.on('error', () => {});
  served += 1;
  const secureContext = contexts[served % contexts.length];
  if (!secureContext) return;
  const socket = new TLSSocket(tcp, { isServer: true, secureContext });
  socket.on('error', () => {});
  socket.once('data', (part) => {
    const document = documents[Number(/^GET \/(\d+) /.exec(part.toString('latin1'))?.[1])] ?? '';
    const head = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(document)}\r\nconnection: close`;
    socket.end(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${document}`);
  });
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 });
await once(server, 'listening');
console.log(JSON.stringify({ port: (server.address() as AddressInfo).port }));
