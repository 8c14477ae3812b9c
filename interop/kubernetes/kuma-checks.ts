import assert from 'node:assert/strict';
import { presentCa } from '../../test/e2e/agent-process.ts';
import type { TestCa } from '../../test/support/test-ca.ts';
import type { InteropCheck } from '../support/program.ts';
import { until } from '../support/until.ts';
import { comeRotateAndGo, startBeside } from './beside.ts';
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
];

async function meshTrusts(executable: string): Promise<void> {
  await using cluster = await Cluster.start(executable);
  await cluster.createNamespaces(NAMESPACE);
  await cluster.serve({
    group: 'kuma.io',
    version: 'v1alpha1',
    kind: 'MeshTrust',
    plural: 'meshtrusts',
    scope: 'Namespaced',
  });
  const own = await presentCa(TRUST_DOMAIN, 'CN=own');
  const status = { origin: { kri: 'kri_mid_default_zone-1_kuma-system_identity_' } };
  await cluster.call('POST', TRUSTS, { ...trust('identity', TRUST_DOMAIN, own), status });
  const theirs = trust('theirs', 'theirs.example', await presentCa('theirs.example', 'CN=theirs'));
  await cluster.call('POST', TRUSTS, theirs);
  const verbs = ['get', 'list', 'watch', 'create', 'update', 'delete'];
  const rules = [{ apiGroups: ['kuma.io'], resources: ['meshtrusts'], verbs }];
  await cluster.allow('kuma', rules, NAMESPACE);

  const mesh = { kind: 'kuma', kubeconfig: cluster.writeKubeconfig() };
  await using beside = await startBeside(TRUST_DOMAIN, { mesh });
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

function trust(name: string, trustDomain: string, ...cas: readonly TestCa[]) {
  return {
    apiVersion: 'kuma.io/v1alpha1',
    kind: 'MeshTrust',
    metadata: { name, labels: { 'kuma.io/mesh': 'default' } },
    spec: { trustDomain, caBundles: cas.map((ca) => ({ type: 'Pem', pem: { value: pemOf(ca) } })) },
  };
}
