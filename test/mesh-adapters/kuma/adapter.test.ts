import { describe, expect, it } from 'vitest';
import { createKumaAdapter, type KumaAdapterOptions } from '../../../src/mesh-adapters/index.ts';
import { silentLog, systemClock, systemRandom } from '../../../src/platform/index.ts';
import {
  certificatesFromPem,
  parseCertificate,
  parseTrustDomain,
  pemFromCertificates,
} from '../../../src/spiffe/index.ts';
import { meshAdapterContract } from '../../../testkit/contract/mesh-adapter-contract.ts';
import { createTestCa } from '../../../testkit/test-ca.ts';
import { FakeApiServer, type FakeObject } from '../kubernetes/fake-api-server.ts';
import { FakeKumaControlPlane } from './fake-control-plane.ts';

const trustDomain = parseTrustDomain('default.zone-1.mesh.local');
const TRUSTS = '/apis/kuma.io/v1alpha1/namespaces/kuma-system/meshtrusts';
const { signal } = new AbortController();

const adapterOf = (access: KumaAdapterOptions['access'], more: Partial<KumaAdapterOptions> = {}) =>
  createKumaAdapter({
    access,
    mesh: 'default',
    namePrefix: 'federate-',
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    ...more,
  });

const keysOf = (pems: readonly string[]) =>
  pems.flatMap((pem) => certificatesFromPem(pem).map((der) => parseCertificate(der).keyFingerprint));

async function openRest(more: Partial<KumaAdapterOptions> = {}) {
  const kuma = new FakeKumaControlPlane();
  await kuma.start();
  const ca = await createTestCa({ trustDomain });
  kuma.putOwn(trustDomain, [pemFromCertificates([ca.root])]);
  const adapter = adapterOf({ kind: 'rest', address: kuma.url, pollMs: 5 }, more);
  return {
    adapter,
    kuma,
    trustDomain,
    addOwnRoot: async () => {
      const next = await createTestCa({ trustDomain });
      kuma.putOwn(trustDomain, [pemFromCertificates([ca.root]), pemFromCertificates([next.root])]);
    },
    held: async () =>
      Object.fromEntries(
        Object.entries(kuma.inEffect())
          .filter(([name]) => name !== trustDomain)
          .map(([name, pems]) => [name, keysOf(pems)]),
      ),
    state: async () => JSON.stringify([...kuma.trusts.values()]),
    [Symbol.asyncDispose]: async () => {
      await adapter.stop();
      await kuma.stop();
    },
  };
}

async function openKubernetes() {
  const api = new FakeApiServer();
  await api.start();
  const ca = await createTestCa({ trustDomain });
  const putOwn = (...roots: Uint8Array[]) =>
    api.putObject(`${TRUSTS}/identity`, {
      kind: 'MeshTrust',
      metadata: { labels: { 'kuma.io/mesh': 'default' } },
      spec: { trustDomain, caBundles: [{ type: 'Pem', pem: { value: pemFromCertificates(roots) } }] },
      status: { origin: { kri: 'kri_mid_default_zone-1_kuma-system_identity_' } },
    });
  putOwn(ca.root);
  const access = { kind: 'kubernetes', kubernetes: api.source, namespace: 'kuma-system' } as const;
  const adapter = adapterOf(access);
  const foreign = () => Object.values(api.under(TRUSTS)).filter((object) => object['status'] === undefined);
  const specOf = (object: FakeObject) =>
    object['spec'] as { trustDomain: string; caBundles: { pem: { value: string } }[] };
  return {
    adapter,
    api,
    trustDomain,
    addOwnRoot: async () => void putOwn(ca.root, (await createTestCa({ trustDomain })).root),
    held: async () =>
      Object.fromEntries(
        foreign().map((object) => [
          specOf(object).trustDomain,
          keysOf(specOf(object).caBundles.map(({ pem }) => pem.value)),
        ]),
      ),
    state: async () => JSON.stringify(foreign()),
    [Symbol.asyncDispose]: async () => {
      await adapter.stop();
      await api[Symbol.asyncDispose]();
    },
  };
}

meshAdapterContract('createKumaAdapter() over REST', () => openRest());
meshAdapterContract('createKumaAdapter() over Kubernetes', () => openKubernetes());

describe('createKumaAdapter()', () => {
  it('marks what it makes, and at a federated zone with the place of its origin', async () => {
    await using mesh = await openRest({ origin: 'zone' });
    const west = await createTestCa({ trustDomain: 'west.example' });
    await mesh.adapter.applyForeignTrust([west.bundle()], signal);
    const made = [...mesh.kuma.trusts.values()].find(({ status }) => status === undefined);
    expect(made).toMatchObject({
      name: expect.stringMatching(/^federate-west-example-[0-9a-f]{8}$/),
      labels: { 'federate.dev/foreign-trust': 'true', 'kuma.io/origin': 'zone' },
      spec: { trustDomain: 'west.example', caBundles: [{ type: 'Pem' }] },
    });
  });

  it('leaves MeshTrusts of others alone, and does not add roots to a trust domain that one of them speaks for', async () => {
    await using mesh = await openRest();
    const [west, theirs] = [
      await createTestCa({ trustDomain: 'west.example' }),
      await createTestCa({ trustDomain: 'theirs.example' }),
    ];
    const pem = pemFromCertificates([theirs.root]);
    mesh.kuma.put('by-hand', 'Theirs.Example', [pem]);
    mesh.kuma.put('federate-by-hand', 'hand.example', [pem]);
    const before = await mesh.state();
    const [written, refused] = await mesh.adapter.applyForeignTrust([west.bundle(), theirs.bundle()], signal);
    // A name in capitals is not a trust domain and breaks every proxy of the mesh: that is
    // reported.
    expect(written).toMatchObject({ state: 'refused', code: 'foreign-entry-invalid' });
    expect(refused).toMatchObject({ state: 'refused', code: 'trust-domain-taken' });
    await mesh.adapter.applyForeignTrust([], signal);
    expect(await mesh.state()).toBe(before);
  });

  it('tells that a MeshTrust of another writer breaks the configuration of every proxy, until it is gone', async () => {
    await using mesh = await openRest();
    const west = await createTestCa({ trustDomain: 'west.example' });
    expect(await mesh.adapter.applyForeignTrust([west.bundle()], signal)).toMatchObject([
      { state: 'written' },
    ]);
    mesh.kuma.put('broken', 'north.example', [
      '-----BEGIN CERTIFICATE-----\nbm8=\n-----END CERTIFICATE-----\n',
    ]);
    expect(await mesh.adapter.applyForeignTrust([west.bundle()], signal)).toMatchObject([
      { state: 'refused', code: 'foreign-entry-invalid', message: expect.stringContaining('broken') },
    ]);
    // Proxies keep their previous trust, also in removed peers.
    const reported = new Set([west.trustDomain]);
    for (const _again of ['at once', 'later'])
      expect(await mesh.adapter.applyForeignTrust([], signal, reported)).toMatchObject([
        { trustDomain: 'west.example', state: 'refused', code: 'foreign-entry-invalid' },
      ]);
    mesh.kuma.trusts.delete('default/broken');
    expect(await mesh.adapter.applyForeignTrust([], signal, reported)).toEqual([]);
    expect(await mesh.adapter.applyForeignTrust([west.bundle()], signal)).toMatchObject([
      { state: 'written' },
    ]);
  });

  it('takes no peer for the trust domain of another zone of the mesh', async () => {
    await using mesh = await openRest({ trustDomain });
    const other = await createTestCa({ trustDomain: 'default.zone-2.mesh.local' });
    mesh.kuma.putOwn('default.zone-2.mesh.local', [pemFromCertificates([other.root])], 'zone-2');
    expect(await mesh.adapter.applyForeignTrust([other.bundle()], signal)).toMatchObject([
      { state: 'refused', code: 'own-trust-domain-alias' },
    ]);
  });

  it('requires a choice where the mesh has several trust domains, and reports when the named one is missing', async () => {
    await using mesh = await openRest();
    const other = await createTestCa({ trustDomain: 'default.zone-2.mesh.local' });
    await expect(mesh.adapter.applyForeignTrust([], signal)).resolves.toEqual([]);
    mesh.kuma.putOwn('default.zone-2.mesh.local', [pemFromCertificates([other.root])], 'zone-2');
    await expect(mesh.adapter.applyForeignTrust([], signal)).rejects.toMatchObject({
      code: 'own-trust-domain-ambiguous',
    });
    const access = { kind: 'rest', address: mesh.kuma.url, pollMs: 5 } as const;
    const named = adapterOf(access, { trustDomain: parseTrustDomain('elsewhere.example') });
    await expect(named.applyForeignTrust([], signal)).rejects.toMatchObject({
      code: 'own-trust-domain-missing',
      message: expect.stringContaining('default.zone-2.mesh.local'),
    });
    const meshless = adapterOf(access, { mesh: 'other' });
    await expect(meshless.applyForeignTrust([], signal)).rejects.toMatchObject({
      code: 'own-trust-domain-missing',
    });
  });

  it('reports the warnings of the control plane', async () => {
    await using mesh = await openRest();
    mesh.kuma.warnings = ['MeshTrust is experimental'];
    const west = await createTestCa({ trustDomain: 'west.example' });
    expect(await mesh.adapter.applyForeignTrust([west.bundle()], signal)).toMatchObject([
      { state: 'written', code: 'mesh-warned', message: 'MeshTrust is experimental' },
    ]);
  });

  it('keeps what a refused bundle still lists of the present roots: the last good', async () => {
    await using mesh = await openRest();
    const [west, north] = [
      await createTestCa({ trustDomain: 'west.example' }),
      await createTestCa({ trustDomain: 'north.example' }),
    ];
    await mesh.adapter.applyForeignTrust([west.bundle(), north.bundle()], signal);
    const { bundleOf } = await import('../../../src/spiffe/index.ts');
    const stolen = bundleOf(west.trustDomain, [west.authority, north.authority]);
    const [refused] = await mesh.adapter.applyForeignTrust([stolen, north.bundle()], signal);
    expect(refused).toMatchObject({ state: 'refused', code: 'root-of-another-peer' });
    expect(await mesh.held()).toEqual({
      'west.example': [west.authority.keyFingerprint],
      'north.example': [north.authority.keyFingerprint],
    });
  });
});
