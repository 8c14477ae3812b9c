import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type ClusterTrustBundleOptions,
  createFilesAdapter,
  type MeshAdapter,
  withClusterTrustBundles,
} from '../../../src/mesh-adapters/index.ts';
import { silentLog, systemClock, systemRandom } from '../../../src/platform/index.ts';
import {
  bundleOf,
  certificatesFromPem,
  isNarrowedAnchor,
  parseBundleMap,
  parseCertificate,
  parseTrustDomain,
  pemFromCertificates,
} from '../../../src/spiffe/index.ts';
import { meshAdapterContract } from '../../../testkit/contract/mesh-adapter-contract.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';
import { createTestCa } from '../../../testkit/test-ca.ts';
import { FakeApiServer, fail } from '../kubernetes/fake-api-server.ts';

const trustDomain = parseTrustDomain('east.example');
const BUNDLES = '/apis/certificates.k8s.io/v1/clustertrustbundles';
const { signal } = new AbortController();

async function open(more: Partial<ClusterTrustBundleOptions> = {}) {
  const folder = tempDir();
  const api = new FakeApiServer();
  await api.start();
  const own = await createTestCa({ trustDomain });
  writeFileSync(folder.file('own.pem'), pemFromCertificates([own.root]));
  const files = createFilesAdapter({
    trustDomain,
    own: { pemFiles: [folder.file('own.pem')] },
    foreignFolder: folder.file('foreign'),
    pollMs: 5,
    clock: systemClock,
    log: silentLog,
  });
  const create = (changes: Partial<ClusterTrustBundleOptions> = {}) =>
    withClusterTrustBundles(files, {
      kubernetes: api.source,
      marks: { namePrefix: 'federate-' },
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      ...more,
      ...changes,
    });
  const adapter = create();
  await knowOwn(adapter);
  const specs = () =>
    Object.values(api.under('/apis/certificates.k8s.io/')).map(({ metadata, ...object }) => ({
      name: metadata.name,
      trustDomain: metadata.annotations?.['federate.dev/trust-domain'] ?? '',
      spec: object['spec'] as { trustBundle: string; signerName?: string },
    }));
  return {
    adapter,
    create,
    api,
    folder,
    own,
    trustDomain,
    specs,
    addOwnRoot: async () => {
      const next = await createTestCa({ trustDomain });
      writeFileSync(folder.file('own.pem'), pemFromCertificates([own.root, next.root]));
    },
    held: async () =>
      Object.fromEntries(
        specs().map(({ trustDomain: name, spec }) => [
          name,
          certificatesFromPem(spec.trustBundle).map((der) => parseCertificate(der).keyFingerprint),
        ]),
      ),
    state: async () => JSON.stringify(Object.values(api.under('/apis/certificates.k8s.io/'))),
    [Symbol.asyncDispose]: async () => {
      await adapter.stop();
      await api[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

/** The agent follows the own trust from its start. */
async function knowOwn(adapter: MeshAdapter): Promise<void> {
  const ended = new AbortController();
  for await (const _own of adapter.watchOwnTrust(ended.signal)) ended.abort();
}

meshAdapterContract('withClusterTrustBundles()', () => open());

describe('withClusterTrustBundles()', () => {
  it('writes one object for each trust domain, narrowed, next to what the mesh gets', async () => {
    await using mesh = await open();
    const west = await createTestCa({ trustDomain: 'west.example' });
    await mesh.adapter.applyForeignTrust([west.bundle()], signal);
    const [{ name, spec } = { name: '', spec: { trustBundle: '' } }] = mesh.specs();
    expect(name).toMatch(/^federate-west-example-[0-9a-f]{8}$/);
    expect(Object.keys(spec)).toEqual(['trustBundle']);
    expect(spec.trustBundle).toMatch(/^-----BEGIN CERTIFICATE-----\n[^-]*-----END CERTIFICATE-----\n$/);
    const [der = new Uint8Array()] = certificatesFromPem(spec.trustBundle);
    expect(isNarrowedAnchor(parseCertificate(der), 'west.example')).toBe(true);
    expect([
      ...parseBundleMap(readFileSync(join(mesh.folder.file('foreign'), 'bundles.json'))).keys(),
    ]).toEqual(['west.example']);
  });

  it('binds its objects to a signer where one is named', async () => {
    await using mesh = await open({
      marks: { namePrefix: 'federate-', signerName: 'federate.example/peers' },
    });
    const west = await createTestCa({ trustDomain: 'west.example' });
    await mesh.adapter.applyForeignTrust([west.bundle()], signal);
    expect(mesh.specs()).toMatchObject([
      {
        name: expect.stringMatching(/^federate\.example:peers:federate-/),
        spec: { signerName: 'federate.example/peers' },
      },
    ]);
    await mesh.adapter.applyForeignTrust([], signal);
    expect(mesh.specs()).toEqual([]);
  });

  it('writes unnarrowed roots only where the operator accepted that', async () => {
    await using mesh = await open({ acceptUnnarrowed: true });
    const west = await createTestCa({ trustDomain: 'west.example' });
    await mesh.adapter.applyForeignTrust([west.bundle()], signal);
    expect(mesh.specs()[0]?.spec.trustBundle).toBe(pemFromCertificates([west.root]));
  });

  it('uses the newest version that the cluster serves, and reports when it serves none', async () => {
    await using mesh = await open();
    const west = await createTestCa({ trustDomain: 'west.example' });
    const served = new Set(['v1beta1']);
    mesh.api.answer = ({ collection }, response) => {
      const version = /certificates\.k8s\.io\/([^/]+)/.exec(collection)?.[1] ?? '';
      if (served.has(version)) return false;
      fail(response, 404, 'the server could not find the requested resource');
      return true;
    };
    expect(await mesh.adapter.applyForeignTrust([west.bundle()], signal)).toMatchObject([
      { state: 'written' },
    ]);
    expect(Object.keys(mesh.api.under('/apis/certificates.k8s.io/v1beta1/'))).toHaveLength(1);
    served.clear();
    expect(await mesh.adapter.applyForeignTrust([west.bundle()], signal)).toMatchObject([
      {
        state: 'written',
        code: 'cluster-trust-bundle-failed',
        message: expect.stringContaining('v1, v1beta1, v1alpha1'),
      },
    ]);
    expect(mesh.adapter.status()).toMatchObject({ connected: false, code: 'mesh-not-found' });
    served.add('v1beta1');
    await mesh.adapter.applyForeignTrust([west.bundle()], signal);
    expect(mesh.adapter.status().connected).toBe(true);
  });

  it.each([
    ['list', 403, 'cluster-trust-bundle-failed', { connected: false, code: 'mesh-forbidden' }],
    ['list', 500, 'cluster-trust-bundle-failed', { connected: false, code: 'mesh-unavailable' }],
    ['post', 403, 'cluster-trust-bundle-failed', { connected: false, code: 'mesh-forbidden' }],
    ['post', 422, 'cluster-trust-bundle-refused', { connected: true }],
  ] as const)('changes nothing for the mesh when %s is answered with %i (%s), reports the reason, and recovers', async (verb, status, reported, standing) => {
    await using mesh = await open();
    const west = await createTestCa({ trustDomain: 'west.example' });
    mesh.api.answer = (request, response) => {
      if (request.verb !== verb) return false;
      fail(response, status, 'no such luck');
      return true;
    };
    expect(await mesh.adapter.applyForeignTrust([west.bundle()], signal)).toMatchObject([
      {
        state: 'written',
        code: reported,
        message: expect.stringContaining('no such luck'),
      },
    ]);
    expect(mesh.adapter.status()).toMatchObject(standing);
    mesh.api.answer = () => false;
    const [report] = await mesh.adapter.applyForeignTrust([west.bundle()], signal);
    expect(report?.code).toBeUndefined();
    expect(mesh.adapter.status().connected).toBe(true);
  });

  it('keeps removing when the mesh itself cannot be written', async () => {
    await using mesh = await open();
    const west = await createTestCa({ trustDomain: 'west.example' });
    await mesh.adapter.applyForeignTrust([west.bundle()], signal);
    writeFileSync(join(mesh.folder.file('foreign'), '.federate-files.json'), 'spoiled');
    const revoked = mesh.adapter.applyForeignTrust([bundleOf(west.trustDomain, [])], signal);
    await expect(revoked).rejects.toMatchObject({ code: 'file-not-ours' });
    expect(mesh.specs()).toEqual([]);
  });

  it('does not report a peer as gone that a ClusterTrustBundle may still hold', async () => {
    await using mesh = await open();
    const west = await createTestCa({ trustDomain: 'west.example' });
    const reported = new Set([west.trustDomain]);
    await mesh.adapter.applyForeignTrust([west.bundle()], signal);
    mesh.api.answer = (_request, response) => {
      fail(response, 500, 'no such luck');
      return true;
    };
    const failed = [{ trustDomain: 'west.example', state: 'failed', code: 'cluster-trust-bundle-failed' }];
    expect(
      await mesh.adapter.applyForeignTrust([bundleOf(west.trustDomain, [])], signal, reported),
    ).toMatchObject([{ state: 'written', code: 'cluster-trust-bundle-failed', endedRootsStand: true }]);
    expect(await mesh.adapter.applyForeignTrust([], signal, reported)).toMatchObject(failed);
    // Now only the ClusterTrustBundle is left; a restart does not change that.
    expect(await mesh.create().applyForeignTrust([], signal, reported)).toMatchObject(failed);
    mesh.api.answer = () => false;
    expect(await mesh.adapter.applyForeignTrust([], signal, reported)).toEqual([]);
    expect(mesh.specs()).toEqual([]);
  });

  it('admits nothing before it knows the own roots', async () => {
    await using mesh = await open();
    const west = await createTestCa({ trustDomain: 'west.example' });
    expect(await mesh.create().applyForeignTrust([west.bundle()], signal)).toMatchObject([
      { state: 'written', code: 'cluster-trust-bundle-failed' },
    ]);
    expect(mesh.specs()).toEqual([]);
  });

  it('reports that a root is refused for the pool although the mesh accepts it', async () => {
    await using mesh = await open();
    const { subjectDer, subjectKeyId = '' } = parseCertificate(mesh.own.root);
    const twin = await createTestCa({ trustDomain: 'west.example', overrides: { subjectDer, subjectKeyId } });
    expect(await mesh.adapter.applyForeignTrust([twin.bundle()], signal)).toMatchObject([
      {
        state: 'written',
        code: 'cluster-trust-bundle-refused',
        message: expect.stringContaining('distinguish'),
      },
    ]);
  });

  it('leaves objects of others alone, and treats what another agent wrote as taken', async () => {
    await using mesh = await open();
    const west = await createTestCa({ trustDomain: 'west.example' });
    mesh.api.putObject(`${BUNDLES}/theirs`, { spec: { trustBundle: pemFromCertificates([west.root]) } });
    const other = mesh.create({ marks: { namePrefix: 'partner-' } });
    await knowOwn(other);
    await other.applyForeignTrust([west.bundle()], signal);
    const before = await mesh.state();
    expect(await mesh.adapter.applyForeignTrust([west.bundle()], signal)).toMatchObject([
      { code: 'cluster-trust-bundle-refused' },
    ]);
    await mesh.adapter.applyForeignTrust([], signal);
    expect(await mesh.state()).toBe(before);
  });
});
