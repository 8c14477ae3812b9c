import { describe, expect, it } from 'vitest';
import { parseConsulLeaf } from '../../../src/mesh-adapters/consul/leaf.ts';
import { createTestCa, type TestCa } from '../../../testkit/test-ca.ts';

const CLUSTER = '11111111-1111-1111-1111-111111111111.consul';

async function leafOf(ca: TestCa, path = '/ns/default/dc/dc1/svc/west-web') {
  const { certPem, keyPem, id } = await ca.issueLeaf({ path });
  return { document: { CertPEM: certPem, PrivateKeyPEM: keyPem }, id };
}

describe('parseConsulLeaf()', () => {
  it('gives certificate, key and ID of the requested service', async () => {
    const { document, id } = await leafOf(await createTestCa({ trustDomain: CLUSTER }));
    expect(parseConsulLeaf('west-web', document)).toMatchObject({
      id,
      chainPem: document.CertPEM,
      keyPem: document.PrivateKeyPEM,
    });
  });

  it('refuses what is not a leaf of that service, and quotes no key', async () => {
    const ca = await createTestCa({ trustDomain: CLUSTER });
    const { document } = await leafOf(ca);
    const other = await leafOf(ca, '/ns/default/dc/dc1/svc/other');
    const workload = await leafOf(ca, '/ns/shop/sa/west-web');
    const refused = [
      null,
      [],
      {},
      { ...document, PrivateKeyPEM: undefined },
      { ...document, PrivateKeyPEM: 'secret' },
      { ...document, CertPEM: '' },
      { ...document, CertPEM: document.PrivateKeyPEM },
      { ...document, CertPEM: document.CertPEM.slice(0, 200) },
      other.document,
      workload.document,
    ];
    for (const each of refused) {
      const message = catchMessage(() => parseConsulLeaf('west-web', each));
      expect(message).toContain('the leaf of Consul service "west-web" cannot be used');
      expect(message).not.toContain('secret');
    }
  });
});

function catchMessage(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return 'it was taken';
}
