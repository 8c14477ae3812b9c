import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { createConsulClient } from '../../../src/mesh-adapters/consul/consul-client.ts';
import { systemClock } from '../../../src/platform/index.ts';
import { pemFromCertificates } from '../../../src/spiffe/index.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';
import { createTestCa } from '../../../testkit/test-ca.ts';

const LONG = { notBefore: new Date('2001-01-01T00:00:00Z'), notAfter: new Date('2090-01-01T00:00:00Z') };
const { signal } = new AbortController();

describe('createConsulClient() over HTTPS', () => {
  it('believes what the CA file signs and nothing else, and reads the file again for every request', async () => {
    using folder = tempDir();
    const ca = await createTestCa({ trustDomain: 'consul.example', ...LONG });
    const other = await createTestCa({ trustDomain: 'other.example', ...LONG });
    const leaf = await ca.issueLeaf({ dnsSans: ['localhost'], ...LONG });
    const server = createServer({ cert: leaf.certPem, key: leaf.keyPem }, (_, response) =>
      response.end('[]'),
    );
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const caFile = folder.file('ca.pem');
    const client = createConsulClient({
      address: `https://localhost:${(server.address() as AddressInfo).port}`,
      caFile,
      clock: systemClock,
    });
    const ask = () => client.send('GET', '/v1/peerings', { signal });
    try {
      await expect(ask()).rejects.toMatchObject({ code: 'credentials-unusable' });
      writeFileSync(caFile, pemFromCertificates([other.root]));
      await expect(ask()).rejects.toMatchObject({ code: 'mesh-unreachable' });
      writeFileSync(caFile, pemFromCertificates([ca.root]));
      expect(await ask()).toMatchObject({ value: [] });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
