import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pemFromCertificates, serializeBundle } from '../../src/spiffe/index.ts';
import { createTestCa } from '../../testkit/test-ca.ts';

/** What both sides of a comparison use: one CA, one server certificate, one client certificate, one bundle, as files. */
export interface BenchFiles {
  readonly folder: string;
  readonly certificate: string;
  readonly key: string;
  /** Certificate and key in one file, as HAProxy wants it. */
  readonly combined: string;
  readonly ca: string;
  readonly clientCertificate: string;
  readonly clientKey: string;
  readonly bundle: string;
}

export async function writeBenchFiles(folder: string): Promise<BenchFiles> {
  const now = Date.now();
  const validity = { notBefore: new Date(now - 3_600_000), notAfter: new Date(now + 86_400_000) };
  const ca = await createTestCa({ trustDomain: 'a.example', ...validity });
  const server = await ca.issueLeaf({ path: '/server', dnsSans: ['localhost'], ...validity });
  const client = await ca.issueLeaf({ path: '/client', ...validity });
  const put = (name: string, content: string | Uint8Array) => {
    const file = join(folder, name);
    writeFileSync(file, content, { mode: 0o600 });
    return file;
  };
  return {
    folder,
    certificate: put('server.crt', server.certPem),
    key: put('server.key', server.keyPem),
    combined: put('server.pem', server.certPem + server.keyPem),
    ca: put('ca.crt', pemFromCertificates([ca.root])),
    clientCertificate: put('client.crt', client.certPem),
    clientKey: put('client.key', client.keyPem),
    bundle: put('bundle.json', serializeBundle({ ...ca.bundle(7n), refreshHintSeconds: 300 })),
  };
}
