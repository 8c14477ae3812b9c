import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createIstioAdapter,
  createIstioFileAdapter,
  examineIstio,
  type MeshAdapter,
} from '../../src/mesh-adapters/index.ts';
import { silentLog, systemClock, systemRandom } from '../../src/platform/index.ts';
import { isNarrowedAnchor, pemFromCertificates } from '../../src/spiffe/index.ts';
import { createTestCa, type TestCa } from '../support/test-ca.ts';
import { type Istiod, startIstiod } from './istiod.ts';
import { type KubernetesServer, startKubernetes } from './kubernetes-server.ts';
import { eventually, validNow } from './program.ts';

/** Paths of the real programs; without `kube-apiserver` nothing here runs, without `pilot-discovery` not what needs istiod. */
const API_SERVER = process.env['FEDERATE_KUBE_APISERVER'];
const ETCD = process.env['FEDERATE_ETCD'] ?? 'etcd';
const PILOT = process.env['FEDERATE_PILOT_DISCOVERY'];
const MESH = `# kept as it is
trustDomain: east.example
defaultConfig:
  proxyMetadata:
    PROXY_CONFIG_XDS_AGENT: "true"
`;
const { signal } = new AbortController();
const context = { clock: systemClock, random: systemRandom, log: silentLog };

describe.skipIf(API_SERVER === undefined)('the Istio adapter beside a real API server', () => {
  let cluster: KubernetesServer;
  let west: TestCa;

  const createAdapter = () =>
    createIstioAdapter({
      kubernetes: { kind: 'kubeconfig', path: cluster.agentKubeconfig },
      systemNamespace: 'istio-system',
      meshConfigMap: 'istio',
      rootConfigMap: { namespace: 'istio-system', name: 'istio-ca-root-cert' },
      ...context,
    });
  const meshText = async (name: string) => {
    const { data } = (await cluster.call('GET', `/api/v1/namespaces/istio-system/configmaps/${name}`)) as {
      data: Record<string, string>;
    };
    return data['mesh'] ?? '';
  };

  beforeAll(async () => {
    cluster = await startKubernetes({ etcd: ETCD, apiServer: API_SERVER ?? '' });
    west = await createTestCa({ trustDomain: 'west.example', ...validNow() });
    const east = await createTestCa({ trustDomain: 'east.example', ...validNow() });
    await cluster.call('POST', '/api/v1/namespaces', { metadata: { name: 'istio-system' } });
    const put = (name: string, labels: object, data: object) =>
      cluster.call('POST', '/api/v1/namespaces/istio-system/configmaps', {
        metadata: { name, labels },
        data,
      });
    await put('istio', { 'istio.io/rev': 'default' }, { mesh: MESH, meshNetworks: 'networks: {}' });
    await put('istio-canary', { 'istio.io/rev': 'canary' }, { mesh: MESH });
    await put('istio-ca-root-cert', {}, { 'root-cert.pem': pemFromCertificates([east.root]) });
    await cluster.allowAgent('istio-system', ['istio', 'istio-canary']);
  }, 120_000);
  afterAll(() => cluster[Symbol.asyncDispose]());

  it('writes every revision with the rights it asks for, touches nothing else, and takes all back', async () => {
    const adapter = createAdapter();
    expect(await adapter.applyForeignTrust([west.bundle()], signal)).toMatchObject([{ state: 'written' }]);
    expect(await meshText('istio')).toContain('west.example');
    expect(await meshText('istio-canary')).toBe(await meshText('istio'));
    expect(await adapter.applyForeignTrust([], signal)).toMatchObject([{ state: 'removed' }]);
    expect([await meshText('istio'), await meshText('istio-canary')]).toEqual([MESH, MESH]);
    await adapter.stop();
  }, 30_000);

  it('hears a change of the own roots by its watch', async () => {
    const adapter = createAdapter();
    const seen: number[] = [];
    for await (const { roots } of adapter.watchOwnTrust(signal)) {
      seen.push(roots.length);
      if (seen.length > 1) break;
      const path = '/api/v1/namespaces/istio-system/configmaps/istio-ca-root-cert';
      const held = (await cluster.call('GET', path)) as { data: Record<string, string> };
      const more = await createTestCa({ trustDomain: 'east.example', ...validNow() });
      const pem = `${held.data['root-cert.pem'] ?? ''}${pemFromCertificates([more.root])}`;
      await cluster.call('PUT', path, { ...held, data: { 'root-cert.pem': pem } });
    }
    expect(seen).toEqual([1, 2]);
    await adapter.stop();
  }, 30_000);

  it('is examined with the rights to list, and says which are missing', async () => {
    const examine = async (path: string) => {
      const kubernetes = { kind: 'kubeconfig' as const, path };
      const { findings } = await examineIstio({
        kubernetes,
        systemNamespace: 'istio-system',
        clock: systemClock,
        signal,
      });
      return [...new Set(findings.map(({ code }) => code))];
    };
    expect(await examine(cluster.agentKubeconfig)).toEqual(['mesh-forbidden']);
    const container = {
      name: 'discovery',
      image: 'x',
      env: [{ name: 'ISTIO_MULTIROOT_MESH', value: 'false' }],
    };
    const labels = { app: 'istiod' };
    await cluster.call('POST', '/apis/apps/v1/namespaces/istio-system/deployments', {
      metadata: { name: 'istiod', labels },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [container] } },
      },
    });
    expect(await examine(cluster.adminKubeconfig)).toEqual(['kind-not-served', 'multiroot-off']);
  }, 30_000);

  describe.skipIf(PILOT === undefined)('and of a real istiod', () => {
    const pushedAnchors = (istiod: Istiod) =>
      istiod.pushed.filter((certificate) => isNarrowedAnchor(certificate, 'west.example')).length;

    async function comesAndGoes(istiod: Istiod, adapter: MeshAdapter): Promise<void> {
      expect(pushedAnchors(istiod)).toBe(0);
      await adapter.applyForeignTrust([west.bundle()], signal);
      await eventually(() => pushedAnchors(istiod) === 1);
      await adapter.applyForeignTrust([], signal);
      await eventually(() => pushedAnchors(istiod) === 0);
    }

    it('has its narrowed anchors pushed to a proxy, and taken away', async () => {
      await using istiod = await startIstiod(PILOT ?? '', cluster);
      const adapter = createAdapter();
      await comesAndGoes(istiod, adapter);
      expect(istiod.pushed.length).toBeGreaterThan(0);
      await adapter.stop();
    }, 120_000);

    it('does the same through a mesh config in a file', async () => {
      const meshConfigFile = cluster.folder.file('mesh');
      writeFileSync(meshConfigFile, MESH);
      const root = (await cluster.call(
        'GET',
        '/api/v1/namespaces/istio-system/configmaps/istio-ca-root-cert',
      )) as { data: Record<string, string> };
      writeFileSync(cluster.folder.file('root-cert.pem'), root.data['root-cert.pem'] ?? '');
      await using istiod = await startIstiod(PILOT ?? '', cluster, [`--meshConfig=${meshConfigFile}`]);
      const adapter = createIstioFileAdapter({
        meshConfigFile,
        ownPemFiles: [cluster.folder.file('root-cert.pem')],
        pollMs: 100,
        ...context,
      });
      await comesAndGoes(istiod, adapter);
      expect(readFileSync(meshConfigFile, 'utf8')).toBe(MESH);
      await adapter.stop();
    }, 120_000);
  });
});
