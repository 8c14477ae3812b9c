import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createConsulAdapter, createIstioAdapter, type MeshAdapter } from '../../src/mesh-adapters/index.ts';
import { silentLog, systemClock, systemRandom } from '../../src/platform/index.ts';
import {
  bundleOf,
  certificatesFromPem,
  verifyX509Path,
  x509AuthorityFromDer,
} from '../../src/spiffe/index.ts';
import { SdsClient } from '../../src/workload-api/index.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { startConsul, startIstio } from './support/meshes.ts';
import { until } from '../../testkit/until.ts';

const parts = { clock: systemClock, random: systemRandom, log: silentLog };

let folder: ReturnType<typeof tempDir>;
let istio: Awaited<ReturnType<typeof startIstio>>;
let consul: Awaited<ReturnType<typeof startConsul>>;
let adapter: MeshAdapter;
let stopping: AbortController;

beforeEach(async () => {
  folder = tempDir();
  stopping = new AbortController();
  istio = await startIstio(folder.path);
  consul = await startConsul(folder.path, { aclTokenFile: folder.file('token') });
});
afterEach(async () => {
  stopping.abort();
  await adapter.stop();
  await istio.mesh.stop();
  await consul.mesh.stop();
  folder[Symbol.dispose]();
});

const istioAdapter = (acceptUnnarrowed = false) =>
  createIstioAdapter({
    kubernetes: { kind: 'kubeconfig', path: istio.options.kubeconfigFile },
    systemNamespace: 'istio-system',
    meshConfigMap: 'istio',
    rootConfigMap: { namespace: 'istio-system', name: 'istio-ca-root-cert' },
    acceptUnnarrowed,
    ...parts,
  });
const consulAdapter = () =>
  createConsulAdapter({ address: consul.url, tokenFile: folder.file('token'), ...parts });

/** The adapter's reports of the own roots, unchanged. */
function follow() {
  const seen: { trustDomain: string; fingerprints: string[] }[] = [];
  const done = (async () => {
    for await (const { trustDomain, roots } of adapter.watchOwnTrust(stopping.signal)) {
      seen.push({ trustDomain, fingerprints: roots.map((root) => root.fingerprint) });
    }
  })();
  done.catch(() => {});
  return seen;
}

/** The bundle of the Consul mesh as its agent would have it. */
async function consulBundle() {
  const response = await fetch(`${consul.url}/v1/connect/ca/roots`);
  const { Roots } = await response.json();
  const roots = Roots.flatMap(({ RootCert }: { RootCert: string }) => certificatesFromPem(RootCert));
  return bundleOf(consul.mesh.trustDomain, roots.map(x509AuthorityFromDer));
}

describe('the Istio adapter', () => {
  it('reads the roots of the simulated Istio, and again when they change', async () => {
    adapter = istioAdapter();
    const seen = follow();
    await until(() => seen.length === 1, 'the roots');
    expect(seen[0]).toEqual({
      trustDomain: 'istio.example',
      fingerprints: istio.mesh.status().roots.map((root) => root.fingerprint),
    });
    const { roots } = await istio.mesh.rotate('publish');
    await until(() => seen.length === 2, 'the new root');
    expect(seen[1]?.fingerprints).toEqual(expect.arrayContaining(roots.map((root) => root.fingerprint)));
  });

  it('writes anchors that reach the proxies, and takes them away again', async () => {
    adapter = istioAdapter();
    const [report] = await adapter.applyForeignTrust([await consulBundle()], stopping.signal);
    expect(report).toMatchObject({ trustDomain: consul.mesh.trustDomain, state: 'written' });
    expect(istio.mesh.status().foreign.map((each) => each.trustDomain)).toEqual([consul.mesh.trustDomain]);
    await adapter.applyForeignTrust([], stopping.signal);
    expect(istio.mesh.status().foreign).toEqual([]);
  });

  it.each([
    ['narrowed: the peer speaks for its own trust domain only', false],
    ['as it is, where the operator accepts that: the peer takes over the local trust domain', true],
  ])('writes the root of a peer %s (docs/narrowing.md)', async (_what, acceptUnnarrowed) => {
    adapter = istioAdapter(acceptUnnarrowed);
    await adapter.applyForeignTrust([await consulBundle()], stopping.signal);
    const proxy = new SdsClient({
      socketPath: istio.options.workloads[0]?.sdsSocket ?? '',
      resourceNames: ['ROOTCA'],
      nodeId: 'web',
      ...parts,
    });
    proxy.start();
    await until(() => proxy.current('ROOTCA') !== undefined, 'the trust');
    const secret = proxy.current('ROOTCA');
    await proxy.stop();
    if (secret?.kind !== 'merged-validation') throw new Error('expected a merged pool');
    const anchors = certificatesFromPem(secret.trustedCaPem).map(x509AuthorityFromDer);
    const accepted = async (id: string) => {
      const forged = await consul.mesh.forge(id);
      const [leaf = new Uint8Array(), ...helpers] = certificatesFromPem(forged.certificateChainPem);
      try {
        verifyX509Path({ leaf, helpers, anchors, now: new Date() });
        return true;
      } catch {
        return false;
      }
    };
    expect(await accepted(`spiffe://${consul.mesh.trustDomain}/ns/default/dc/dc1/svc/info`)).toBe(true);
    expect(await accepted('spiffe://istio.example/ns/shop/sa/web')).toBe(acceptUnnarrowed);
  });
});

describe('the Consul adapter', () => {
  it('reads the roots of the simulated Consul, and again when they change', async () => {
    adapter = consulAdapter();
    const seen = follow();
    await until(() => seen.length === 1, 'the roots');
    expect(seen[0]).toEqual({
      trustDomain: consul.mesh.trustDomain,
      fingerprints: consul.mesh.status().roots.map((root) => root.fingerprint),
    });
    await consul.mesh.rotate('publish');
    await until(() => seen.length === 2, 'the new root');
    expect(seen[1]?.fingerprints).toHaveLength(2);
  });

  it('speaks as a peer: the bundle is accepted, replaced and removed', async () => {
    adapter = consulAdapter();
    const bundle = async () => {
      const [root] = istio.mesh.status().roots.slice(-1);
      const pem = await readFile(`${istio.options.folder}/ca/root-${root?.number}.pem`, 'utf8');
      return bundleOf(istio.options.trustDomain, certificatesFromPem(pem).map(x509AuthorityFromDer));
    };
    const held = () => consul.mesh.status().foreign.flatMap((each) => each.fingerprints);
    const first = await bundle();
    expect(await adapter.applyForeignTrust([first], stopping.signal)).toMatchObject([{ state: 'accepted' }]);
    expect(held()).toEqual(first.x509Authorities.map((root) => root.fingerprint));
    for (const step of ['publish', 'activate'] as const) await istio.mesh.rotate(step);
    const second = await bundle();
    expect(await adapter.applyForeignTrust([second], stopping.signal)).toMatchObject([{ state: 'accepted' }]);
    expect(held()).toEqual(second.x509Authorities.map((root) => root.fingerprint));
    await adapter.applyForeignTrust([], stopping.signal);
    await until(() => held().length === 0, 'the removal');
    expect(consul.mesh.status().foreign).toEqual([]);
  });
});
