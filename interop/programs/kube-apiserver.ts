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
