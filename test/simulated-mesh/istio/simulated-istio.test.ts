import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { systemClock, systemRandom } from '../../../src/platform/index.ts';
import { certificatesFromPem, parseCertificate, pemFromCertificates } from '../../../src/spiffe/index.ts';
import { SdsClient, type SdsSecret } from '../../../src/workload-api/index.ts';
import { silentLog } from '../../../src/platform/index.ts';
import { createTestCa } from '../../../testkit/test-ca.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';
import { kubernetesClient } from '../support/kubernetes-client.ts';
import { startIstio } from '../support/meshes.ts';
import { until } from '../../../testkit/until.ts';

const MESH = '/api/v1/namespaces/istio-system/configmaps/istio';
const ROOTS = '/api/v1/namespaces/shop/configmaps/istio-ca-root-cert';

let folder: ReturnType<typeof tempDir>;
let started: Awaited<ReturnType<typeof startIstio>>;
let agent: ReturnType<typeof kubernetesClient>;
let proxy: SdsClient;

async function start(more: Parameters<typeof startIstio>[1] = {}) {
  started = await startIstio(folder.path, more);
  agent = kubernetesClient(started.options.kubeconfigFile);
  proxy = new SdsClient({
    socketPath: started.options.workloads[0]?.sdsSocket ?? '',
    resourceNames: ['default', 'ROOTCA'],
    nodeId: 'web',
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
  proxy.start();
  await until(
    () => proxy.current('ROOTCA') !== undefined && proxy.current('default') !== undefined,
    'the secrets',
  );
}

beforeEach(() => {
  folder = tempDir();
});
afterEach(async () => {
  await proxy.stop();
  await started.mesh.stop();
  folder[Symbol.dispose]();
});

/** Puts these entries into the mesh config, as an adapter does. */
async function writeCaCertificates(entries: readonly object[]) {
  const { body } = await agent.call('GET', MESH);
  const mesh = stringify({ ...parse(body.data.mesh), caCertificates: entries });
  expect((await agent.call('PUT', MESH, { ...body, data: { ...body.data, mesh } })).status).toBe(200);
}

function trust() {
  const secret: SdsSecret | undefined = proxy.current('ROOTCA');
  if (secret?.kind !== 'merged-validation') throw new Error('expected a merged pool');
  return secret;
}

const pool = () => certificatesFromPem(trust().trustedCaPem).map((der) => parseCertificate(der).fingerprint);

describe('SDS', () => {
  it('hands a proxy its SVID and one merged pool with the prefixes that are let in', async () => {
    await start();
    const secret = proxy.current('default');
    if (secret?.kind !== 'certificate') throw new Error('expected a certificate');
    const [leaf = new Uint8Array()] = certificatesFromPem(secret.chainPem);
    expect(parseCertificate(leaf).subjectAltNames.uris).toEqual(['spiffe://istio.example/ns/shop/sa/web']);
    expect(secret.keyPem).toContain('PRIVATE KEY');
    expect(pool()).toEqual(started.mesh.status().roots.map((root) => root.fingerprint));
    expect(trust().allowedUriSans).toEqual([{ prefix: 'spiffe://istio.example/' }]);
  });

  it('shows what proxies acknowledged', async () => {
    await start();
    const inEffect = () =>
      started.mesh.status().workloads[0]?.sds.every((each) => each.inEffect && each.proxies.length === 1);
    await until(() => inEffect() === true, 'the acknowledgement');
    expect(started.mesh.status().workloads[0]?.sds[0]?.proxies).toEqual([
      { acknowledged: started.mesh.status().workloads[0]?.sds[0]?.currentVersion },
    ]);
  });
});

describe('caCertificates', () => {
  it('reach the proxies: merged with the own roots, with the trust domains as SAN prefixes', async () => {
    await start();
    const ca = await createTestCa({ trustDomain: 'west.example' });
    await writeCaCertificates([
      { pem: pemFromCertificates([ca.root]), trustDomains: ['west.example', 'old.example'] },
    ]);
    await until(() => pool().length === 2, 'the foreign root');
    expect(pool()).toEqual([started.mesh.status().roots[0]?.fingerprint, ca.authority.fingerprint]);
    expect(trust().allowedUriSans).toEqual(
      ['istio.example', 'west.example', 'old.example'].map((name) => ({ prefix: `spiffe://${name}/` })),
    );
    expect(started.mesh.status().foreign).toEqual([
      { trustDomain: 'west.example', fingerprints: [ca.authority.fingerprint], source: 'caCertificates[0]' },
      { trustDomain: 'old.example', fingerprints: [ca.authority.fingerprint], source: 'caCertificates[0]' },
    ]);
    await writeCaCertificates([]);
    await until(() => pool().length === 1, 'the removal');
  });

  it('are taken all or none: one bad entry keeps the old set', async () => {
    await start();
    const ca = await createTestCa({ trustDomain: 'west.example' });
    const good = { pem: pemFromCertificates([ca.root]), trustDomains: ['west.example'] };
    await writeCaCertificates([good]);
    await until(() => pool().length === 2, 'the foreign root');
    const other = await createTestCa({ trustDomain: 'east.example' });
    const leaf = await other.issueLeaf();
    const bad = [
      { pem: 'no PEM at all', trustDomains: ['east.example'] },
      { pem: leaf.certPem, trustDomains: ['east.example'] },
    ];
    for (const entry of bad) {
      await writeCaCertificates([
        { pem: pemFromCertificates([other.root]), trustDomains: ['east.example'] },
        entry,
      ]);
      await until(() => started.mesh.status().refused !== undefined, 'the refusal');
      expect(started.mesh.status().refused?.code).toBe('ca-certificate-malformed');
      expect(started.mesh.status().foreign.map((each) => each.trustDomain)).toEqual(['west.example']);
      expect(pool()).toContain(ca.authority.fingerprint);
      expect(pool()).not.toContain(other.authority.fingerprint);
      await writeCaCertificates([good]);
      await until(() => started.mesh.status().refused === undefined, 'the recovery');
    }
  });

  it('change nothing when the mesh config is not YAML', async () => {
    await start();
    const { body } = await agent.call('GET', MESH);
    await agent.call('PUT', MESH, { ...body, data: { ...body.data, mesh: 'trustDomain: [' } });
    await until(() => started.mesh.status().refused !== undefined, 'the refusal');
    expect(started.mesh.status().refused?.code).toBe('mesh-config-malformed');
    expect(trust().allowedUriSans).toEqual([{ prefix: 'spiffe://istio.example/' }]);
  });

  it('have no effect without ISTIO_MULTIROOT_MESH', async () => {
    await start({ multiroot: false });
    const ca = await createTestCa({ trustDomain: 'west.example' });
    await writeCaCertificates([{ pem: pemFromCertificates([ca.root]), trustDomains: ['west.example'] }]);
    await until(() => trust().allowedUriSans.length === 2, 'the config to be taken');
    expect(pool()).toHaveLength(1);
  });

  it('are in effect again after a restart', async () => {
    await start();
    const ca = await createTestCa({ trustDomain: 'west.example' });
    await writeCaCertificates([{ pem: pemFromCertificates([ca.root]), trustDomains: ['west.example'] }]);
    const roots = started.mesh.status().roots;
    await proxy.stop();
    await started.mesh.stop();
    await start();
    expect(started.mesh.status().roots).toEqual(roots);
    expect(pool()).toContain(ca.authority.fingerprint);
  });
});

describe('rotate()', () => {
  it('publishes in every namespace and to proxies first, then signs with it, then drops the old root (FED-18, FED-20)', async () => {
    await start();
    const published = async () =>
      certificatesFromPem((await agent.call('GET', ROOTS)).body.data['root-cert.pem']).map(
        (der) => parseCertificate(der).fingerprint,
      );
    const rootNumber = () => started.mesh.status().workloads[0]?.svid?.rootNumber;
    const [old] = await published();
    const afterPublish = await started.mesh.rotate('publish');
    const [, next] = afterPublish.roots.map((root) => root.fingerprint);
    expect(await published()).toEqual([old, next]);
    await until(() => pool().length === 2, 'the new root');
    expect(rootNumber()).toBe(1);
    await started.mesh.rotate('activate');
    expect(rootNumber()).toBe(2);
    expect(await published()).toEqual([old, next]);
    await started.mesh.rotate('retire');
    expect(await published()).toEqual([next]);
    await until(() => pool().length === 1, 'the removal');
    expect(pool()).toEqual([next]);
  });

  it('renews the SVID of a proxy in time', async () => {
    await start({ svidTtlMs: 10_000 });
    await started.clock.untilSleeping();
    await started.clock.advance(5000);
    await until(() => started.mesh.status().workloads[0]?.svid?.generation === 2, 'a renewal');
    const renewed = () => {
      const secret = proxy.current('default');
      if (secret?.kind !== 'certificate') return undefined;
      return parseCertificate(certificatesFromPem(secret.chainPem)[0] ?? new Uint8Array()).fingerprint;
    };
    await until(() => renewed() === started.mesh.status().workloads[0]?.svid?.fingerprint, 'the push');
    expect(started.mesh.status().workloads[0]?.svid?.generation).toBe(2);
  });
});
