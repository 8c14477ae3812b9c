import { expect, it } from 'vitest';
import { openServingCertificate } from '../../../src/demonstration/simulated-mesh/istio/serving-certificate.ts';
import { certificatesFromPem, parseCertificate } from '../../../src/spiffe/index.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';
import { TestClock } from '../../../testkit/test-clock.ts';
import { NOW } from '../support/meshes.ts';

it('openServingCertificate() names hosts and addresses of both families, by a CA that stays', async () => {
  using folder = tempDir();
  const clock = new TestClock(NOW);
  const hosts = ['kubernetes', 'localhost', '127.0.0.1', '::1', 'fd00:1::2', 'localhost'];
  const first = await openServingCertificate({ folder: folder.path, hosts, clock });
  const [leaf = new Uint8Array()] = certificatesFromPem(first.certificatePem);
  const names = parseCertificate(leaf).subjectAltNames;
  expect(names.dnsNames).toEqual(['kubernetes', 'localhost']);
  expect(names.ips).toEqual([
    '127.0.0.1',
    '0000:0000:0000:0000:0000:0000:0000:0001',
    'fd00:0001:0000:0000:0000:0000:0000:0002',
  ]);
  const second = await openServingCertificate({ folder: folder.path, hosts, clock });
  expect(second.caPem).toBe(first.caPem);
});
