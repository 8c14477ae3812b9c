import assert from 'node:assert/strict';
import type { InteropCheck } from '../support/program.ts';
import { until } from '../support/until.ts';
import { comeRotateAndGo, startBeside } from './beside.ts';
import { Cluster } from './cluster.ts';
import { itemsOf, ourCertificatesIn } from './objects.ts';

const BUNDLES = '/apis/certificates.k8s.io/v1beta1/clustertrustbundles';
const SIGNER = 'federate.example/peers';

/** ClusterTrustBundles beside any mesh. */
export const clusterTrustBundleChecks: readonly InteropCheck[] = [
  { name: 'ClusterTrustBundles beside a mesh: one per peer, rotated, gone with it', run: plain },
  { name: 'ClusterTrustBundles of a signer: not without "attest", then under its name', run: ofSigner },
];

async function allow(cluster: Cluster): Promise<void> {
  const verbs = ['get', 'list', 'create', 'update', 'delete'];
  await cluster.allow('bundles', [
    { apiGroups: ['certificates.k8s.io'], resources: ['clustertrustbundles'], verbs },
  ]);
}

async function plain(executable: string): Promise<void> {
  await using cluster = await Cluster.start(executable);
  await allow(cluster);
  const kubeconfig = cluster.writeKubeconfig();
  await using beside = await startBeside('a.example', { cluster_trust_bundles: { kubeconfig } });
  await comeRotateAndGo(beside, () => ourCertificatesIn(cluster, BUNDLES));
}

async function ofSigner(executable: string): Promise<void> {
  await using cluster = await Cluster.start(executable);
  await allow(cluster);
  const clusterTrustBundles = { kubeconfig: cluster.writeKubeconfig(), signer_name: SIGNER };
  await using beside = await startBeside('a.example', { cluster_trust_bundles: clusterTrustBundles });
  await beside.federate();
  await until(
    'the missing right to be told',
    async () => (await beside.inMesh())?.code === 'cluster-trust-bundle-failed',
  );
  await cluster.allow('signers', [
    {
      apiGroups: ['certificates.k8s.io'],
      resources: ['signers'],
      resourceNames: [SIGNER],
      verbs: ['attest'],
    },
  ]);
  // Another root is another reason to write, sooner than the next comparison.
  await beside.rotatePeer();
  await until('both roots in the cluster', async () => (await ourCertificatesIn(cluster, BUNDLES)) === 2);
  const [bundle] = await itemsOf(cluster, BUNDLES);
  assert.match(bundle?.metadata.name ?? '', /^federate\.example:peers:federate-b-example-/);
  // The report follows the write.
  await until('a report without a reason', async () => ((await beside.inMesh())?.code ?? null) === null);
}
