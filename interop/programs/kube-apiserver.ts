import assert from 'node:assert/strict';
import type { StatusDocument } from '../../src/dashboard/index.ts';
import { pemFromCertificates } from '../../src/spiffe/index.ts';
import { presentCa, until } from '../../test/e2e/agent-process.ts';
import type { TestCa } from '../../test/support/test-ca.ts';
import { type Agents, startAgents } from '../support/agents.ts';
import { Kubernetes } from '../support/kubernetes.ts';
import { firstLineOf, type InteropProgram } from '../support/program.ts';

/** A real Kubernetes API server, with the rights of the docs and no more, under the Istio adapter. */
export const kubeApiserver: InteropProgram = {
  name: 'kube-apiserver',
  variable: 'FEDERATE_KUBE_APISERVER',
  command: 'kube-apiserver',
  version: (executable) => firstLineOf(executable, ['--version']),
  install: 'a Kubernetes release, and etcd on the PATH (apt-get install etcd-server)',
  checks: [
    {
      name: 'Istio adapter: foreign roots in, foreign content kept, out again to the letter',
      run: writeAndRestore,
    },
    { name: 'Istio adapter: own roots by watch, over a restart and a compaction (410)', run: ownRoots },
    { name: 'Linkerd adapter with the Bundle of trust-manager: in, rotated, out', run: linkerd },
    {
      name: 'ClusterTrustBundles beside a mesh: one per peer, rotated, gone with it',
      run: clusterTrustBundles,
    },
  ],
};

const NAMESPACE = 'istio-system';
const CONFIG_MAPS = `/api/v1/namespaces/${NAMESPACE}/configmaps`;
const RBAC = `/apis/rbac.authorization.k8s.io/v1/namespaces/${NAMESPACE}`;
const MESH = `# somebody's comment
accessLogFile: /dev/stdout
defaultConfig:
  proxyMetadata:
    PROXY_CONFIG_XDS_AGENT: "true"
trustDomain: istio.example
`;

interface ConfigMap {
  readonly metadata: { readonly annotations?: Record<string, string> };
  readonly data: Record<string, string>;
}

async function writeAndRestore(executable: string): Promise<void> {
  await using cluster = await Kubernetes.start(executable);
  const own = await presentCa('istio.example', 'O=istio.example');
  await prepare(cluster, own);
  await using agents = await startBeside(cluster);
  const [istio, peer] = agents.all;
  assert(istio && peer);
  const mesh = async () => (await cluster.ask<ConfigMap>('GET', `${CONFIG_MAPS}/istio`)).body;
  assert.equal((await mesh()).data['mesh'], MESH);

  const status = await peer.home.ask<StatusDocument>('status');
  const words = ['--peer', peer.home.url, '--trust-domain', 'b.example', '--profile', 'https_spiffe'];
  const proof = ['--endpoint-id', 'spiffe://b.example/federate', '--pin', status.answer.own?.pin ?? ''];
  assert.equal((await istio.home.ask('add', ...words, ...proof)).code, 0);
  await until(
    'the anchor in the mesh config',
    async () => (await mesh()).data['mesh']?.includes('b.example') ?? false,
  );
  const written = (await mesh()).data['mesh'] ?? '';
  assert(written.startsWith(MESH), 'what was there stays, to the letter');
  assert.equal(written.match(/BEGIN CERTIFICATE/g)?.length, 1);
  assert(
    !written.includes(pemFromCertificates([peer.ca.root]).split('\n')[1] ?? ''),
    'the anchor is narrowed',
  );

  peer.home.writeRoots(peer.ca, await presentCa('b.example', 'CN=b.example second root'));
  await until(
    'both anchors',
    async () => (await mesh()).data['mesh']?.match(/BEGIN CERTIFICATE/g)?.length === 2,
  );
  assert.equal((await istio.home.ask('remove', 'b.example')).code, 0);
  await until('the mesh config as it was', async () => (await mesh()).data['mesh'] === MESH);
  assert.equal((await mesh()).metadata.annotations, undefined);
}

async function ownRoots(executable: string): Promise<void> {
  await using cluster = await Kubernetes.start(executable);
  const own = await presentCa('istio.example', 'O=istio.example');
  await prepare(cluster, own);
  await using agents = await startBeside(cluster);
  const [istio] = agents.all;
  assert(istio);
  const authorities = async () => (await istio.home.ask<StatusDocument>('status')).answer.own?.authorities;
  const tell = async (...cas: readonly TestCa[]) => {
    const body = rootsOf(...cas);
    assert.equal((await cluster.ask('PUT', `${CONFIG_MAPS}/istio-ca-root-cert`, body)).status, 200);
  };
  const second = await presentCa('istio.example', 'O=istio.example');
  await tell(own, second);
  await until('the second root', async () => (await authorities()) === 2);

  await cluster.restart();
  await cluster.compact();
  await tell(second);
  await until('the first root to go', async () => (await authorities()) === 1);
}

/** The agent beside the cluster, and a peer beside files. */
function startBeside(cluster: Kubernetes): Promise<Agents> {
  const kubeconfig = cluster.writeKubeconfig(cluster.file('kubeconfig'));
  return startAgents([
    { trustDomain: 'istio.example', profile: 'https_web', config: { mesh: { kind: 'istio', kubeconfig } } },
    { trustDomain: 'b.example', profile: 'https_spiffe' },
  ]);
}

/** Namespace, ConfigMaps, and the rights that docs/meshes.md names. */
async function prepare(cluster: Kubernetes, own: TestCa): Promise<void> {
  const create = async (path: string, body: unknown) =>
    assert.equal((await cluster.ask('POST', path, body)).status, 201, path);
  await create('/api/v1/namespaces', { metadata: { name: NAMESPACE } });
  await create(CONFIG_MAPS, rootsOf(own));
  await create(CONFIG_MAPS, {
    metadata: { name: 'istio' },
    data: { mesh: MESH, meshNetworks: 'networks: {}' },
  });
  const configMaps = { apiGroups: [''], resources: ['configmaps'] };
  await create(`${RBAC}/roles`, {
    metadata: { name: 'federate' },
    rules: [
      { ...configMaps, verbs: ['get', 'list', 'watch'] },
      { ...configMaps, resourceNames: ['istio'], verbs: ['update'] },
    ],
  });
  await create(`${RBAC}/rolebindings`, {
    metadata: { name: 'federate' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'federate' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'federate' }],
  });
}

function rootsOf(...cas: readonly TestCa[]) {
  return {
    metadata: { name: 'istio-ca-root-cert', labels: { 'istio.io/config': 'true' } },
    data: { 'root-cert.pem': pemFromCertificates(cas.map(({ root }) => root)) },
  };
}

interface ObjectList {
  readonly items: readonly {
    readonly metadata: { readonly name: string };
    readonly data?: Record<string, string>;
    readonly spec?: { readonly trustBundle?: string };
  }[];
}

/** How many certificates the objects of this collection hold that bear our label. */
async function certificatesIn(cluster: Kubernetes, collection: string): Promise<number> {
  const path = `${collection}?labelSelector=federate.dev%2Fforeign-trust%3Dtrue`;
  const { items } = (await cluster.ask<ObjectList>('GET', path)).body;
  const texts = items.map(({ data, spec }) => spec?.trustBundle ?? Object.values(data ?? {}).join('\n'));
  return texts.join('\n').match(/BEGIN CERTIFICATE/g)?.length ?? 0;
}

/** Federates the first agent with the second, rotates the second, ends it again; `certificates` tells what the cluster holds of it. */
async function comeRotateAndGo(agents: Agents, certificates: () => Promise<number>): Promise<void> {
  const [ours, peer] = agents.all;
  assert(ours && peer);
  const { answer } = await peer.home.ask<StatusDocument>('status');
  const words = ['--peer', peer.home.url, '--trust-domain', 'b.example', '--profile', 'https_spiffe'];
  const proof = ['--endpoint-id', 'spiffe://b.example/federate', '--pin', answer.own?.pin ?? ''];
  assert.equal((await ours.home.ask('add', ...words, ...proof)).code, 0);
  await until('the root in the cluster', async () => (await certificates()) === 1);
  peer.home.writeRoots(peer.ca, await presentCa('b.example', 'CN=b.example second root'));
  await until('both roots in the cluster', async () => (await certificates()) === 2);
  assert.equal((await ours.home.ask('remove', 'b.example')).code, 0);
  await until('nothing of it in the cluster', async () => (await certificates()) === 0);
}

/** Lets the agent do this in the whole cluster. */
async function allow(cluster: Kubernetes, rules: readonly object[]): Promise<void> {
  const rbac = '/apis/rbac.authorization.k8s.io/v1';
  const create = async (path: string, body: unknown) =>
    assert.equal((await cluster.ask('POST', `${rbac}/${path}`, body)).status, 201, path);
  await create('clusterroles', { metadata: { name: 'federate' }, rules });
  await create('clusterrolebindings', {
    metadata: { name: 'federate' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'federate' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'federate' }],
  });
}

async function linkerd(executable: string): Promise<void> {
  await using cluster = await Kubernetes.start(executable);
  const own = await presentCa('linkerd.example', 'CN=root.linkerd.cluster.local');
  const create = async (path: string, body: unknown) =>
    assert.equal((await cluster.ask('POST', path, body)).status, 201, path);
  for (const name of ['linkerd', 'cert-manager']) await create('/api/v1/namespaces', { metadata: { name } });
  const configMaps = '/api/v1/namespaces/linkerd/configmaps';
  const anchors = { 'ca-bundle.crt': pemFromCertificates([own.root]) };
  await create(configMaps, { metadata: { name: 'linkerd-identity-trust-roots' }, data: anchors });
  const values = 'identity: { externalCA: true }\nidentityTrustDomain: linkerd.example\n';
  await create(configMaps, { metadata: { name: 'linkerd-config' }, data: { values } });
  const group = 'trust.cert-manager.io';
  await create('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    metadata: { name: `bundles.${group}` },
    spec: {
      group,
      scope: 'Cluster',
      names: { plural: 'bundles', singular: 'bundle', kind: 'Bundle' },
      versions: [
        {
          name: 'v1alpha1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        },
      ],
    },
  });
  const bundle = {
    apiVersion: `${group}/v1alpha1`,
    kind: 'Bundle',
    metadata: { name: 'linkerd-identity-trust-roots' },
    spec: {
      sources: [
        {
          configMap: {
            selector: { matchLabels: { 'federate.dev/foreign-trust': 'true' } },
            key: 'ca-bundle.crt',
          },
        },
      ],
      target: { configMap: { key: 'ca-bundle.crt' } },
    },
  };
  await until('the new kind to be served', async () => {
    const { status } = await cluster.ask('POST', `/apis/${group}/v1alpha1/bundles`, bundle);
    return status === 201 || status === 409;
  });
  await allow(cluster, [
    {
      apiGroups: [''],
      resources: ['configmaps'],
      verbs: ['get', 'list', 'watch', 'create', 'update', 'delete'],
    },
    { apiGroups: [''], resources: ['pods'], verbs: ['list'] },
    { apiGroups: [group], resources: ['bundles'], verbs: ['get'] },
  ]);
  const kubeconfig = cluster.writeKubeconfig(cluster.file('kubeconfig'));
  const mesh = { kind: 'linkerd', kubeconfig, linkerd_peers: ['b.example'] };
  await using agents = await startAgents([
    { trustDomain: 'linkerd.example', profile: 'https_web', config: { mesh } },
    { trustDomain: 'b.example', profile: 'https_spiffe' },
  ]);
  await comeRotateAndGo(agents, () => certificatesIn(cluster, '/api/v1/namespaces/cert-manager/configmaps'));
}

async function clusterTrustBundles(executable: string): Promise<void> {
  await using cluster = await Kubernetes.start(executable);
  const verbs = ['get', 'list', 'create', 'update', 'delete'];
  await allow(cluster, [{ apiGroups: ['certificates.k8s.io'], resources: ['clustertrustbundles'], verbs }]);
  const kubeconfig = cluster.writeKubeconfig(cluster.file('kubeconfig'));
  await using agents = await startAgents([
    { trustDomain: 'a.example', profile: 'https_web', config: { cluster_trust_bundles: { kubeconfig } } },
    { trustDomain: 'b.example', profile: 'https_spiffe' },
  ]);
  await comeRotateAndGo(agents, () =>
    certificatesIn(cluster, '/apis/certificates.k8s.io/v1beta1/clustertrustbundles'),
  );
}
