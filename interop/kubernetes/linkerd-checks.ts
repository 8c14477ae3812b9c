import assert from 'node:assert/strict';
import { presentCa } from '../../test/e2e/agent-process.ts';
import type { InteropCheck } from '../support/program.ts';
import { until } from '../support/until.ts';
import { comeRotateAndGo } from './beside.ts';
import { Cluster } from './cluster.ts';
import {
  ANCHORS,
  ANCHORS_KEY,
  anchorsBundle,
  BUNDLE_GROUP,
  BUNDLES,
  createPod,
  LINKERD_TRUST_DOMAIN,
  prepareLinkerd,
  startBesideLinkerd,
  TRUST_NAMESPACE,
} from './linkerd-cluster.ts';
import { configMapsIn, ourCertificatesIn, ourItemsOf, pemOf, type SeenObject } from './objects.ts';

/** The Linkerd adapter at a real API server; nobody reads the Bundle there. */
export const linkerdChecks: readonly InteropCheck[] = [
  { name: 'Linkerd adapter: its sources for trust-manager in, rotated, out; stale pods told', run: linkerd },
];

async function linkerd(executable: string): Promise<void> {
  await using cluster = await Cluster.start(executable);
  const own = await presentCa(LINKERD_TRUST_DOMAIN, 'CN=root.linkerd.cluster.local');
  await prepareLinkerd(cluster);
  await cluster.call('POST', configMapsIn('linkerd'), {
    metadata: { name: ANCHORS },
    data: { [ANCHORS_KEY]: pemOf(own) },
  });
  await cluster.serve({
    group: BUNDLE_GROUP,
    version: 'v1alpha1',
    kind: 'Bundle',
    plural: 'bundles',
    scope: 'Cluster',
  });
  await cluster.call('POST', BUNDLES, anchorsBundle(own));
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
