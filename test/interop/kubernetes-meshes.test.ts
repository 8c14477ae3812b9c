import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createFilesAdapter,
  createKumaAdapter,
  createLinkerdAdapter,
  type MeshAdapter,
  type OwnTrust,
  withClusterTrustBundles,
} from '../../src/mesh-adapters/index.ts';
import { silentLog, systemClock, systemRandom } from '../../src/platform/index.ts';
import { parseTrustDomain, pemFromCertificates } from '../../src/spiffe/index.ts';
import { createTestCa, type TestCa } from '../support/test-ca.ts';
import { type KubernetesServer, startKubernetes } from './kubernetes-server.ts';
import { eventually, validNow } from './program.ts';

/** Paths of the real programs; without `kube-apiserver` nothing here runs. */
const API_SERVER = process.env['FEDERATE_KUBE_APISERVER'];
const ETCD = process.env['FEDERATE_ETCD'] ?? 'etcd';
const { signal } = new AbortController();
const context = { clock: systemClock, random: systemRandom, log: silentLog };
const RBAC = '/apis/rbac.authorization.k8s.io/v1';
const TRUSTS = '/apis/kuma.io/v1alpha1/namespaces/kuma-system/meshtrusts';
const MERGED = '/apis/trust.cert-manager.io/v1alpha1/bundles';
const CONFIG_MAPS = (namespace: string) => `/api/v1/namespaces/${namespace}/configmaps`;

describe.skipIf(API_SERVER === undefined)('adapters of other meshes beside a real API server', () => {
  let cluster: KubernetesServer;
  let kubernetes: { readonly kind: 'kubeconfig'; readonly path: string };
  let own: TestCa;
  let west: TestCa;
  let next: TestCa;

  /** A kind of object that the cluster does not bring with it; what is in it is not checked. */
  const serve = async (group: string, version: string, kind: string, scope: 'Namespaced' | 'Cluster') => {
    const singular = kind.toLowerCase();
    const schema = {
      openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    };
    await cluster.call('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
      metadata: { name: `${singular}s.${group}` },
      spec: {
        group,
        scope,
        names: { kind, plural: `${singular}s`, singular },
        versions: [{ name: version, served: true, storage: true, schema }],
      },
    });
    const within = scope === 'Cluster' ? '' : '/namespaces/default';
    await eventually(() => cluster.call('GET', `/apis/${group}/${version}${within}/${singular}s`));
  };
  /** The rights that docs/meshes.md asks for, and no more. */
  const allow = async (name: string, rules: readonly object[], namespace?: string) => {
    const [role, binding] =
      namespace === undefined ? ['ClusterRole', 'clusterrolebindings'] : ['Role', 'rolebindings'];
    const within = namespace === undefined ? RBAC : `${RBAC}/namespaces/${namespace}`;
    const metadata = { name };
    await cluster.call('POST', `${within}/${role.toLowerCase()}s`, { metadata, rules });
    await cluster.call('POST', `${within}/${binding}`, {
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: role, name },
      subjects: [{ kind: 'User', name: 'federate-agent' }],
    });
  };
  const items = async (path: string) =>
    (
      (await cluster.call('GET', path)) as {
        items: { metadata: { name: string }; [other: string]: unknown }[];
      }
    ).items;
  const twoOf = async (adapter: MeshAdapter, change: () => Promise<unknown>): Promise<OwnTrust[]> => {
    const told: OwnTrust[] = [];
    const ended = new AbortController();
    for await (const each of adapter.watchOwnTrust(ended.signal)) {
      told.push(each);
      if (told.length === 1) await change();
      else ended.abort();
    }
    return told;
  };

  beforeAll(async () => {
    cluster = await startKubernetes({
      etcd: ETCD,
      apiServer: API_SERVER ?? '',
      words: ['--runtime-config=certificates.k8s.io/v1beta1=true', '--feature-gates=ClusterTrustBundle=true'],
    });
    kubernetes = { kind: 'kubeconfig', path: cluster.agentKubeconfig };
    [own, west, next] = (await Promise.all(
      ['own.example', 'west.example', 'own.example'].map((trustDomain) =>
        createTestCa({ trustDomain, ...validNow() }),
      ),
    )) as [TestCa, TestCa, TestCa];
    for (const name of ['kuma-system', 'linkerd', 'cert-manager'])
      await cluster.call('POST', '/api/v1/namespaces', { metadata: { name } });
  }, 120_000);
  afterAll(() => cluster[Symbol.asyncDispose]());

  it('Kuma: makes, changes and deletes its MeshTrust with the documented rights, and hears the own roots change', async () => {
    await serve('kuma.io', 'v1alpha1', 'MeshTrust', 'Namespaced');
    const trust = (...cas: TestCa[]) => ({
      apiVersion: 'kuma.io/v1alpha1',
      kind: 'MeshTrust',
      metadata: { name: 'identity', labels: { 'kuma.io/mesh': 'default' } },
      spec: {
        trustDomain: 'own.example',
        caBundles: cas.map(({ root }) => ({ type: 'Pem', pem: { value: pemFromCertificates([root]) } })),
      },
      status: { origin: { kri: 'kri_mid_default_zone-1_kuma-system_identity_' } },
    });
    const made = (await cluster.call('POST', TRUSTS, trust(own))) as { metadata: object };
    const adapter = createKumaAdapter({
      access: { kind: 'kubernetes', kubernetes, namespace: 'kuma-system' },
      mesh: 'default',
      namePrefix: 'federate-',
      ...context,
    });
    await expect(adapter.applyForeignTrust([west.bundle()], signal)).rejects.toMatchObject({
      code: 'mesh-forbidden',
    });
    const verbs = ['get', 'list', 'watch', 'create', 'update', 'delete'];
    await allow('kuma', [{ apiGroups: ['kuma.io'], resources: ['meshtrusts'], verbs }], 'kuma-system');
    await eventually(
      async () => (await adapter.applyForeignTrust([west.bundle()], signal))[0]?.state === 'written',
    );
    expect(await items(TRUSTS)).toMatchObject([
      {
        metadata: { name: expect.stringMatching(/^federate-west-example-/) },
        spec: { trustDomain: 'west.example' },
      },
      { metadata: { name: 'identity' } },
    ]);
    const told = await twoOf(adapter, () =>
      cluster.call('PUT', `${TRUSTS}/identity`, { ...trust(own, next), metadata: made.metadata }),
    );
    expect(told.map(({ roots }) => roots.length)).toEqual([1, 2]);
    expect(await adapter.applyForeignTrust([], signal)).toMatchObject([{ state: 'removed' }]);
    expect(await items(TRUSTS)).toHaveLength(1);
    await adapter.stop();
  });

  it('Linkerd: writes its source with the documented rights, and tells pods that are stale', async () => {
    await serve('trust.cert-manager.io', 'v1alpha1', 'Bundle', 'Cluster');
    const name = 'linkerd-identity-trust-roots';
    await cluster.call('POST', CONFIG_MAPS('linkerd'), {
      metadata: { name: 'linkerd-config' },
      data: { values: 'identityTrustDomain: own.example\nidentity: {externalCA: true}\n' },
    });
    await cluster.call('POST', CONFIG_MAPS('linkerd'), {
      metadata: { name },
      data: { 'ca-bundle.crt': pemFromCertificates([own.root]) },
    });
    const selector = { matchLabels: { 'federate.dev/foreign-trust': 'true' } };
    await cluster.call('POST', MERGED, {
      apiVersion: 'trust.cert-manager.io/v1alpha1',
      kind: 'Bundle',
      metadata: { name },
      spec: { sources: [{ inLine: 'own' }, { configMap: { selector, key: 'ca-bundle.crt' } }] },
    });
    await cluster.call('POST', '/api/v1/namespaces/linkerd/pods', {
      metadata: {
        name: 'web',
        labels: { 'linkerd.io/control-plane-ns': 'linkerd' },
        annotations: { 'linkerd.io/trust-root-sha256': '0'.repeat(64) },
      },
      spec: { containers: [{ name: 'web', image: 'web' }] },
    });
    const configmaps = { apiGroups: [''], resources: ['configmaps'] };
    await allow('linkerd', [{ ...configmaps, verbs: ['get', 'list', 'watch'] }], 'linkerd');
    const verbs = ['get', 'list', 'create', 'update', 'delete'];
    await allow('sources', [{ ...configmaps, verbs }], 'cert-manager');
    await allow('linkerd-wide', [
      { apiGroups: ['trust.cert-manager.io'], resources: ['bundles'], verbs: ['get'] },
      { apiGroups: [''], resources: ['pods'], verbs: ['list'] },
    ]);
    const adapter = createLinkerdAdapter({
      kubernetes,
      namespace: 'linkerd',
      trustNamespace: 'cert-manager',
      bundle: name,
      namePrefix: 'federate-',
      pins: [],
      linkerdPeers: [west.trustDomain],
      ...context,
    });
    await eventually(
      async () => (await adapter.applyForeignTrust([west.bundle()], signal))[0]?.code === 'stale-proxies',
    );
    const ours = `${CONFIG_MAPS('cert-manager')}?labelSelector=federate.dev/foreign-trust=true`;
    const [source] = await items(ours);
    expect(source?.['data']).toMatchObject({ 'ca-bundle.crt': expect.stringContaining('CERTIFICATE') });
    expect(await adapter.applyForeignTrust([], signal)).toMatchObject([{ state: 'removed' }]);
    expect(await items(ours)).toEqual([]);
    await adapter.stop();
  });

  it('ClusterTrustBundles: the API server takes narrowed anchors, bound to a signer too, with the documented rights', async () => {
    writeFileSync(cluster.folder.file('own.pem'), pemFromCertificates([own.root]));
    const bundles = '/apis/certificates.k8s.io/v1beta1/clustertrustbundles';
    const beside = async (signerName?: string) => {
      const adapter = withClusterTrustBundles(
        createFilesAdapter({
          trustDomain: parseTrustDomain('own.example'),
          own: { pemFiles: [cluster.folder.file('own.pem')] },
          foreignFolder: cluster.folder.file('foreign'),
          pollMs: 1000,
          clock: systemClock,
          log: silentLog,
        }),
        { kubernetes, marks: { namePrefix: 'federate-', signerName }, ...context },
      );
      const ended = new AbortController();
      for await (const _own of adapter.watchOwnTrust(ended.signal)) ended.abort();
      return adapter;
    };
    const verbs = ['get', 'list', 'create', 'update', 'delete'];
    const group = { apiGroups: ['certificates.k8s.io'] };
    await allow('bundles', [{ ...group, resources: ['clustertrustbundles'], verbs }]);
    const plain = await beside();
    const apply = async (adapter: MeshAdapter, ...cas: TestCa[]) =>
      await adapter.applyForeignTrust(
        cas.map((ca) => ca.bundle()),
        signal,
      );
    await eventually(async () => (await apply(plain, west))[0]?.code === undefined);
    expect(await items(bundles)).toMatchObject([
      {
        metadata: { name: expect.stringMatching(/^federate-west-example-/) },
        spec: { trustBundle: expect.stringContaining('CERTIFICATE') },
      },
    ]);
    const before = await items(bundles);
    await apply(plain, west);
    expect(await items(bundles)).toEqual(before);
    await apply(plain);
    expect(await items(bundles)).toEqual([]);

    const bound = await beside('federate.example/peers');
    expect(await apply(bound, west)).toMatchObject([{ code: 'cluster-trust-bundle-failed' }]);
    const signers = { ...group, resources: ['signers'], resourceNames: ['federate.example/peers'] };
    await allow('signers', [{ ...signers, verbs: ['attest'] }]);
    await eventually(async () => (await apply(bound, west))[0]?.code === undefined);
    expect((await items(bundles)).map(({ metadata }) => metadata.name)).toEqual([
      expect.stringMatching(/^federate\.example:peers:federate-west-example-/),
    ]);
    await apply(bound);
    expect(await items(bundles)).toEqual([]);
  });
});
