import { readFileSync } from 'node:fs';
import { catalogueContent } from '../src/services/index.ts';
import { certificatesFromPem } from '../src/spiffe/index.ts';
import { captureHello } from '../testkit/capture-hello.ts';
import { catalogueWith, offeredPort, offeredService } from '../testkit/catalogues.ts';
import { createTestCa } from '../testkit/test-ca.ts';
import { CHAIN_FILE } from './chain.ts';

/** The targets by name: what a run begins with. */
export const SEEDS = {
  'bundle-document': documents,
  catalogue: catalogues,
  'client-hello': hellos,
  certificate: certificates,
} as const satisfies Record<string, () => Promise<readonly Uint8Array[]>>;

export type TargetName = keyof typeof SEEDS;

async function documents(): Promise<Uint8Array[]> {
  const file = readFileSync('fixtures/bundles/cases.json', 'utf8');
  const { cases } = JSON.parse(file) as {
    readonly cases: readonly { readonly document?: string; readonly documentBase64?: string }[];
  };
  return cases.map(({ document, documentBase64 }) =>
    document === undefined ? Buffer.from(documentBase64 ?? '', 'base64') : Buffer.from(document),
  );
}

/** Contents of catalogues, small and with everything that one may have. */
async function catalogues(): Promise<Uint8Array[]> {
  const tcp = {
    name: 'sql',
    port: 3306,
    protocol: 'tcp',
    serverFirst: true,
    sni: 'sql.db.owner.example',
  } as const;
  const direct = [{ network: 'n1', host: '10.1.2.3', port: 8443 }];
  const services = [
    offeredService('info'),
    offeredService('web.shop', { state: 'draining', mayCall: [] }),
    offeredService('db', { ports: [offeredPort({ ...tcp, direct })], state: 'down' }),
  ];
  return [[], services.slice(0, 1), services].map((each) =>
    Buffer.from(catalogueContent(catalogueWith(each))),
  );
}

/** First flights of Node's own client. */
async function hellos(): Promise<Uint8Array[]> {
  const ALPNProtocols = ['h2', 'http/1.1'];
  const found: Uint8Array[] = [];
  for (const options of [
    {},
    { servername: 'info.west.example' },
    { servername: 'A.b', maxVersion: 'TLSv1.2' },
  ] as const)
    found.push(await captureHello({ ALPNProtocols, ...options }));
  return found;
}

/** The chain of the target, and certificates of every kind that meshes and odd CAs make. */
async function certificates(): Promise<Uint8Array[]> {
  const found = certificatesFromPem(readFileSync(CHAIN_FILE, 'utf8'));
  for (const keyKind of ['RSA-2048', 'P-384', 'P-521', 'Ed25519'] as const) {
    const ca = await createTestCa({ trustDomain: 'td.example', keyKind });
    const constrained = await ca.issueIntermediate({
      keyKind,
      pathLength: 0,
      nameConstraints: {
        permittedUris: ['td.example'],
        permittedDns: ['.td.example'],
        permittedEmails: ['td.example'],
      },
    });
    const { chain } = await constrained.issueLeaf({ subject: 'CN=workload,O=Example', sanCritical: true });
    found.push(ca.root, ...chain);
  }
  return found;
}
