import assert from 'node:assert/strict';
import { presentCa } from '../../testkit/agent-process.ts';
import type { TestCa } from '../../testkit/test-ca.ts';
import type { InteropCheck } from '../support/program.ts';
import { until } from '../support/until.ts';
import { type Beside, comeRotateAndGo, startBeside } from './beside.ts';
import { Cluster } from './cluster.ts';
import { itemsOf, ourCertificatesIn, pemOf, type SeenObject } from './objects.ts';

const NAMESPACE = 'kuma-system';
const TRUST_DOMAIN = 'default.zone-1.mesh.local';
const TRUSTS = `/apis/kuma.io/v1alpha1/namespaces/${NAMESPACE}/meshtrusts`;

/** The Kuma adapter over Kubernetes objects at a real API server; nobody reads them there. */
export const kumaChecks: readonly InteropCheck[] = [
  {
    name: 'Kuma adapter: its MeshTrust in, rotated, out; the own roots heard by watch; others untouched',
    run: meshTrusts,
  },
  {
    name: 'Kuma adapter: its kind taken out of the cluster and installed again: told, healed',
    run: kindAway,
  },
];

const MESH_TRUST = {
  group: 'kuma.io',
  version: 'v1alpha1',
  kind: 'MeshTrust',
  plural: 'meshtrusts',
  scope: 'Namespaced',
} as const;

/** The MeshTrust that a control plane makes from its identity. */
async function putOwn(cluster: Cluster, own: TestCa): Promise<void> {
  const status = { origin: { kri: 'kri_mid_default_zone-1_kuma-system_identity_' } };
  await cluster.call('POST', TRUSTS, { ...trust('identity', TRUST_DOMAIN, own), status });
}

/** A zone with the rights that docs/meshes/kuma.md names. */
async function prepareKuma(cluster: Cluster, own: TestCa): Promise<void> {
  await cluster.createNamespaces(NAMESPACE);
  await cluster.serve(MESH_TRUST);
  await putOwn(cluster, own);
  const verbs = ['get', 'list', 'watch', 'create', 'update', 'delete'];
  const rules = [{ apiGroups: ['kuma.io'], resources: ['meshtrusts'], verbs }];
  await cluster.allow('kuma', rules, NAMESPACE);
}

function startBesideKuma(cluster: Cluster): Promise<Beside> {
  return startBeside(TRUST_DOMAIN, { mesh: { kind: 'kuma', kubeconfig: cluster.writeKubeconfig() } });
}

async function meshTrusts(executable: string): Promise<void> {
  await using cluster = await Cluster.start(executable);
  const own = await presentCa(TRUST_DOMAIN, 'CN=own');
  await prepareKuma(cluster, own);
  const theirs = trust('theirs', 'theirs.example', await presentCa('theirs.example', 'CN=theirs'));
  await cluster.call('POST', TRUSTS, theirs);

  await using beside = await startBesideKuma(cluster);
  const before = await itemsOf(cluster, TRUSTS);
  await comeRotateAndGo(beside, () => ourCertificatesIn(cluster, TRUSTS));
  assert.deepEqual(await itemsOf(cluster, TRUSTS), before, 'what others made is as it was');

  const held = await cluster.call<SeenObject>('GET', `${TRUSTS}/identity`);
  const next = await presentCa(TRUST_DOMAIN, 'CN=next');
  await cluster.call('PUT', `${TRUSTS}/identity`, {
    ...held,
    ...trust('identity', TRUST_DOMAIN, own, next),
    metadata: held.metadata,
  });
  await until('the second own root', async () => (await beside.status()).own?.authorities === 2);
}

async function kindAway(executable: string): Promise<void> {
  await using cluster = await Cluster.start(executable);
  const own = await presentCa(TRUST_DOMAIN, 'CN=own');
  await prepareKuma(cluster, own);
  await using beside = await startBesideKuma(cluster);
  await beside.federate();
  await until('our MeshTrust', async () => (await ourCertificatesIn(cluster, TRUSTS)) === 1);
  const pin = (await beside.status()).own?.pin;
  await cluster.undefine(MESH_TRUST);
  await until('the loss to be told', async () => (await beside.status()).mesh.code !== null, 75);
  assert.equal((await beside.status()).own?.pin, pin, 'the own roots stay published');
  await cluster.serve(MESH_TRUST);
  await putOwn(cluster, own);
  await until('our MeshTrust again', async () => (await ourCertificatesIn(cluster, TRUSTS)) === 1, 75);
  await until('the status', async () => (await beside.status()).mesh.code === null, 75);
}

function trust(name: string, trustDomain: string, ...cas: readonly TestCa[]) {
  return {
    apiVersion: 'kuma.io/v1alpha1',
    kind: 'MeshTrust',
    metadata: { name, labels: { 'kuma.io/mesh': 'default' } },
    spec: { trustDomain, caBundles: cas.map((ca) => ({ type: 'Pem', pem: { value: pemOf(ca) } })) },
  };
}
