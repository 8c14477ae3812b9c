import { describe, expect, it } from 'vitest';
import { createIstioAdapter } from '../../../src/mesh-adapters/index.ts';
import { KubernetesClient } from '../../../src/mesh-adapters/kubernetes/kubernetes-client.ts';
import { silentLog, systemClock, systemRandom } from '../../../src/platform/index.ts';
import {
  bundleOf,
  certificatesFromPem,
  parseCertificate,
  parseTrustDomain,
  x509AuthorityFromDer,
} from '../../../src/spiffe/index.ts';
import { parse } from 'yaml';
import { meshAdapterContract } from '../../../testkit/contract/mesh-adapter-contract.ts';
import { startIstio } from '../../simulated-mesh/support/meshes.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';
import { createTestCa } from '../../../testkit/test-ca.ts';

const MESH = { namespace: 'istio-system', name: 'istio' };
const { signal } = new AbortController();

async function openIstio(more: { readonly acceptUnnarrowed?: boolean } = {}) {
  const folder = tempDir();
  const { mesh, options } = await startIstio(folder.path, { clock: systemClock });
  const create = () =>
    createIstioAdapter({
      kubernetes: { kind: 'kubeconfig', path: options.kubeconfigFile },
      systemNamespace: MESH.namespace,
      meshConfigMap: MESH.name,
      rootConfigMap: { namespace: 'istio-system', name: 'istio-ca-root-cert' },
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      ...more,
    });
  const adapter = create();
  const admin = new KubernetesClient({
    source: { kind: 'kubeconfig', path: `${folder.path}/admin.kubeconfig` },
    clock: systemClock,
  });
  const text = async () => (await admin.get(MESH, signal)).data?.['mesh'] ?? '';
  const edit = async (change: (text: string) => string) => {
    const object = await admin.get(MESH, signal);
    await admin.replace(
      { ...object, data: { ...object.data, mesh: change(object.data?.['mesh'] ?? '') } },
      signal,
    );
  };
  return {
    adapter,
    create,
    mesh,
    admin,
    text,
    edit,
    trustDomain: options.trustDomain,
    addOwnRoot: async () => void (await mesh.rotate('publish')),
    held: async () => {
      const { caCertificates } = parse(await text()) as {
        caCertificates?: { pem: string; trustDomains: string[] }[];
      };
      const held: Record<string, string[]> = {};
      for (const { pem, trustDomains } of caCertificates ?? []) {
        const keys = certificatesFromPem(pem).map((der) => parseCertificate(der).keyFingerprint);
        for (const trustDomain of trustDomains) (held[trustDomain] ??= []).push(...keys);
      }
      return held;
    },
    state: async () => {
      const { metadata, data } = await admin.get(MESH, signal);
      return JSON.stringify([metadata.annotations, data]);
    },
    [Symbol.asyncDispose]: async () => {
      await adapter.stop();
      await mesh.stop();
      folder[Symbol.dispose]();
    },
  };
}

meshAdapterContract('createIstioAdapter()', () => openIstio());

describe('createIstioAdapter()', () => {
  it('keeps the anchors in the mesh after a restart, so that no proxy gets a new certificate without need', async () => {
    await using istio = await openIstio();
    const west = await createTestCa({ trustDomain: 'west.example' });
    await istio.adapter.applyForeignTrust([west.bundle()], signal);
    const before = await istio.state();
    const restarted = istio.create();
    await restarted.applyForeignTrust([west.bundle()], signal);
    expect(await istio.state()).toBe(before);
    await restarted.stop();
    expect(istio.mesh.status().foreign.map(({ trustDomain }) => trustDomain)).toEqual(['west.example']);
  });

  it('keeps edits next to its entries, and entries of others, in their order', async () => {
    await using istio = await openIstio();
    const [west, theirs] = [
      await createTestCa({ trustDomain: 'west.example' }),
      await createTestCa({ trustDomain: 'theirs.example' }),
    ];
    const pem = JSON.stringify(
      (await import('../../../src/spiffe/index.ts')).pemFromCertificates([theirs.root]),
    );
    await istio.edit(
      (text) =>
        `${text}caCertificates: # ours\n- pem: ${pem}\n  trustDomains: [theirs.example]\nlast: 1 # end\n`,
    );
    const before = await istio.state();
    await istio.adapter.applyForeignTrust([west.bundle()], signal);
    await istio.edit((text) => text.replace('last: 1', 'last: 2'));
    expect(Object.keys(await istio.held()).sort()).toEqual(['theirs.example', 'west.example']);
    const [refused] = await istio.adapter.applyForeignTrust([theirs.bundle()], signal);
    expect(refused).toMatchObject({ state: 'refused', code: 'trust-domain-taken' });
    expect(await istio.state()).toBe(before.replace('last: 1', 'last: 2'));
  });

  it('reads again and writes when another writer was faster (409)', async () => {
    await using istio = await openIstio();
    const west = await createTestCa({ trustDomain: 'west.example' });
    const edits = Array.from({ length: 3 }, (_, index) =>
      istio.edit((text) => `${text}edit${index}: 1\n`).catch(() => {}),
    );
    const [report] = await istio.adapter.applyForeignTrust([west.bundle()], signal);
    await Promise.all(edits);
    expect(report?.state).toBe('written');
    expect(await istio.held()).toEqual({ 'west.example': [west.authority.keyFingerprint] });
  });

  it('reports that istiod refuses the whole set because of an entry that is not ours (rule: all or nothing)', async () => {
    await using istio = await openIstio();
    const west = await createTestCa({ trustDomain: 'west.example' });
    expect((await istio.adapter.applyForeignTrust([west.bundle()], signal))[0]?.state).toBe('written');
    await istio.adapter.applyForeignTrust([], signal);
    await istio.edit((text) => `${text}caCertificates:\n- pem: nonsense\n  trustDomains: [theirs.example]\n`);
    const refused = [{ trustDomain: 'west.example', state: 'refused', code: 'foreign-entry-invalid' }];
    expect(await istio.adapter.applyForeignTrust([west.bundle()], signal)).toMatchObject(refused);
    // It keeps its previous trust, also in removed peers.
    const reported = new Set([west.trustDomain]);
    for (const _again of ['at once', 'later'])
      expect(await istio.adapter.applyForeignTrust([], signal, reported)).toMatchObject(refused);
    await istio.edit((text) => text.replace(/caCertificates:[^]*/, ''));
    expect(await istio.adapter.applyForeignTrust([], signal, reported)).toEqual([]);
  });

  it('reports when proxies will not accept foreign roots', async () => {
    await using istio = await openIstio();
    await istio.edit((text) => text.replace('PROXY_CONFIG_XDS_AGENT: "true"', 'OTHER: "true"'));
    const west = await createTestCa({ trustDomain: 'west.example' });
    const [report] = await istio.adapter.applyForeignTrust([west.bundle()], signal);
    expect(report).toMatchObject({ state: 'written', code: 'xds-agent-off' });
  });

  it('refuses a twin of a root of this mesh: same name and key identifier, another key (docs/meshes/README.md)', async () => {
    await using istio = await openIstio();
    const own = await istio.admin.get({ namespace: 'istio-system', name: 'istio-ca-root-cert' }, signal);
    const [der = new Uint8Array()] = certificatesFromPem(own.data?.['root-cert.pem'] ?? '');
    const root = parseCertificate(der);
    const west = (overrides: object) =>
      createTestCa({ trustDomain: 'west.example', overrides: { subjectDer: root.subjectDer, ...overrides } });
    const sameName = await west({});
    const [allowed] = await istio.adapter.applyForeignTrust([sameName.bundle()], signal);
    expect(allowed).toMatchObject({ state: 'written', code: 'root-name-shared' });
    for (const overrides of [{ subjectKeyId: root.subjectKeyId }, { withKeyIdentifiers: false }]) {
      const twin = await west(overrides);
      const [refused] = await istio.adapter.applyForeignTrust([twin.bundle()], signal);
      expect(refused).toMatchObject({ state: 'refused', code: 'twin-root' });
    }
  });

  it('lists again when its watch is too old (410), and learns of the next change', async () => {
    await using istio = await openIstio();
    const ended = new AbortController();
    let count = 0;
    let roots = 0;
    for await (const own of istio.adapter.watchOwnTrust(ended.signal)) {
      count += 1;
      if (count === 1) {
        istio.mesh.compact();
        await istio.addOwnRoot();
      } else {
        roots = own.roots.length;
        ended.abort();
      }
    }
    expect(roots).toBe(2);
  });

  it('writes the unnarrowed root only where the operator accepted that, and reports it', async () => {
    await using istio = await openIstio({ acceptUnnarrowed: true });
    const west = await createTestCa({ trustDomain: 'west.example' });
    const bundle = bundleOf(parseTrustDomain('west.example'), [x509AuthorityFromDer(west.root)]);
    const [report] = await istio.adapter.applyForeignTrust([bundle], signal);
    expect(report).toMatchObject({ state: 'written', code: 'root-not-narrowed' });
    expect(istio.mesh.status().foreign[0]?.fingerprints).toEqual([west.authority.fingerprint]);
  });
});
