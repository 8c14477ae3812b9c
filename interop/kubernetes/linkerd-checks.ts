import assert from 'node:assert/strict';
import { presentCa } from '../../testkit/agent-process.ts';
import type { TestCa } from '../../testkit/test-ca.ts';
import type { InteropCheck } from '../support/program.ts';
import { until } from '../support/until.ts';
import { comeRotateAndGo } from './beside.ts';
import { Cluster } from './cluster.ts';
import {
  ANCHORS,
  ANCHORS_KEY,
  anchorsBundle,
  BUNDLES,
  createPod,
  LINKERD_TRUST_DOMAIN,
  prepareLinkerd,
  serveAnyBundle,
  startBesideLinkerd,
  TRUST_NAMESPACE,
} from './linkerd-cluster.ts';
import { configMapsIn, ourCertificatesIn, ourItemsOf, pemOf, type SeenObject } from './objects.ts';

/** The Linkerd adapter at a real API server; nobody reads the Bundle there. */
export const linkerdChecks: readonly InteropCheck[] = [
  { name: 'Linkerd adapter: its sources for trust-manager in, rotated, out; stale pods told', run: linkerd },
  {
    name: 'Linkerd adapter: the namespace of its sources deleted and made anew: told, healed',
    run: namespaceAway,
  },
];

/** Linkerd with a Bundle that nobody reads, and its anchors. */
async function withAnchors(cluster: Cluster, own: TestCa): Promise<void> {
  await prepareLinkerd(cluster);
  await cluster.call('POST', configMapsIn('linkerd'), {
    metadata: { name: ANCHORS },
    data: { [ANCHORS_KEY]: pemOf(own) },
  });
  await serveAnyBundle(cluster);
  await cluster.call('POST', BUNDLES, anchorsBundle(own));
}

async function namespaceAway(executable: string): Promise<void> {
  await using cluster = await Cluster.start(executable);
  await withAnchors(cluster, await presentCa(LINKERD_TRUST_DOMAIN, 'CN=root.linkerd.cluster.local'));
  await using beside = await startBesideLinkerd(cluster);
  await beside.federate();
  const sources = configMapsIn(TRUST_NAMESPACE);
  await until('our source', async () => (await ourCertificatesIn(cluster, sources)) === 1);
  // The parts of a cluster that empty and forget a namespace do not run here.
  const path = `/api/v1/namespaces/${TRUST_NAMESPACE}`;
  await cluster.call('DELETE', path);
  await cluster.call('DELETE', sources);
  await beside.rotatePeer();
  await until('the loss to be told', async () => (await beside.inMesh())?.state === 'failed', 75);
  assert.equal((await beside.status()).mesh.code, 'mesh-forbidden');
  const ending = await cluster.call<SeenObject>('GET', path);
  await cluster.call('PUT', `${path}/finalize`, { ...ending, spec: { finalizers: [] } });
  await until('the namespace to be gone', async () => (await cluster.ask('GET', path)).status === 404);
  await cluster.createNamespaces(TRUST_NAMESPACE);
  await until('both roots', async () => (await ourCertificatesIn(cluster, sources)) === 2, 75);
  await until('the status', async () => (await beside.status()).mesh.code === null);
}

async function linkerd(executable: string): Promise<void> {
  await using cluster = await Cluster.start(executable);
  const own = await presentCa(LINKERD_TRUST_DOMAIN, 'CN=root.linkerd.cluster.local');
  await withAnchors(cluster, own);
  await createPod(cluster, 'web', '0'.repeat(64));
  await using beside = await startBesideLinkerd(cluster);
  await comeRotateAndGo(beside, () => ourCertificatesIn(cluster, configMapsIn(TRUST_NAMESPACE)));
  await beside.federate();
  await until(
    'nobody who merges to be told',
    async () => (await beside.inMesh())?.code === 'anchors-not-merged',
  );
  assert.equal((await beside.inMesh())?.state, 'written');
  const [source] = await ourItemsOf(cluster, configMapsIn(TRUST_NAMESPACE));
  await putAnchors(cluster, `${pemOf(own)}${source?.data?.[ANCHORS_KEY]}`);
  await until('the stale pod to be told', async () => (await beside.inMesh())?.code === 'stale-proxies');
  assert.equal((await beside.inMesh())?.state, 'accepted');
}

/** Does by hand what trust-manager does. */
async function putAnchors(cluster: Cluster, text: string): Promise<void> {
  const path = `${configMapsIn('linkerd')}/${ANCHORS}`;
  const held = await cluster.call<SeenObject>('GET', path);
  await cluster.call('PUT', path, { ...held, data: { [ANCHORS_KEY]: text } });
}
