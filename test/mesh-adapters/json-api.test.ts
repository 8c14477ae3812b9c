import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { accessByFiles, JsonApi } from '../../src/mesh-adapters/contract/json-api.ts';
import { systemClock } from '../../src/platform/index.ts';
import { pemFromCertificates } from '../../src/spiffe/index.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa } from '../../testkit/test-ca.ts';

const HOUR_MS = 3_600_000;
const { signal } = new AbortController();

describe('JsonApi', () => {
  it('speaks TLS only with a server that the CA file signs, and reads that file for every request', async () => {
    const valid = { notBefore: new Date(Date.now() - HOUR_MS), notAfter: new Date(Date.now() + HOUR_MS) };
    const [ca, other] = [
      await createTestCa({ trustDomain: 'kuma.example', ...valid }),
      await createTestCa({ trustDomain: 'other.example', ...valid }),
    ];
    const leaf = await ca.issueLeaf({ uriSans: [], dnsSans: ['localhost'], ...valid });
    const server = createServer({ cert: leaf.certPem, key: leaf.keyPem }, (_request, response) => {
      response.end('{"a":1}');
    });
    await once(server.listen(0, 'localhost'), 'listening');
    using folder = tempDir();
    const caFile = folder.file('ca.pem');
    const api = new JsonApi({
      access: accessByFiles({
        address: `https://localhost:${(server.address() as AddressInfo).port}/base/`,
        caFile,
        credentials: () => ({}),
      }),
      refusalOf: () => '',
      clock: systemClock,
    });
    const ask = () => api.send('GET', '/x', { signal });
    await expect(ask()).rejects.toMatchObject({ code: 'credentials-unusable' });
    writeFileSync(caFile, pemFromCertificates([ca.root]));
    expect(await ask()).toMatchObject({ value: { a: 1 } });
    writeFileSync(caFile, pemFromCertificates([other.root]));
    await expect(ask()).rejects.toMatchObject({ code: 'mesh-unreachable' });
    server.closeAllConnections();
    server.close();
  });
});
