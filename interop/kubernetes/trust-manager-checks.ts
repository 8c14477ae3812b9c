import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { certificatesFromPem, parseCertificate } from '../../src/spiffe/index.ts';
import { presentCa } from '../../testkit/agent-process.ts';
import type { TestCa } from '../../testkit/test-ca.ts';
import type { InteropCheck } from '../support/program.ts';
import { until } from '../support/until.ts';
import { comeRotateAndGo } from './beside.ts';
import { Cluster } from './cluster.ts';
import { apiServerBeside } from './executables.ts';
import {
  ANCHORS,
  ANCHORS_KEY,
  anchorsBundle,
  BUNDLES,
  createPod,
  LINKERD_TRUST_DOMAIN,
  prepareLinkerd,
  startBesideLinkerd,
  TRUST_NAMESPACE,
} from './linkerd-cluster.ts';
import { configMapsIn, pemOf, type SeenObject } from './objects.ts';
import { serveBundles, startTrustManager } from './trust-manager-process.ts';

/** The Linkerd adapter with a real trust-manager, which makes the ConfigMap that Linkerd reads. */
export const trustManagerChecks: readonly InteropCheck[] = [
  {
    name: 'merges our source into the anchors of Linkerd, rotated and gone; other sources stay',
    run: merged,
  },
  { name: 'tells how far anchors came: written, accepted, in effect in every pod', run: howFar },
  {
    name: 'a source of somebody else that it refuses, then without it: an honest state, then healed',
    run: refused,
  },
  {
    name: 'it is down while the peer rotates, and again while it goes: told, nothing lost, healed when it is back',
    run: down,
  },
  { name: 'a Bundle that no longer takes our sources, and one that is gone', run: otherBundles },
];

const SOURCES = configMapsIn(TRUST_NAMESPACE);

interface World {
  readonly cluster: Cluster;
  readonly own: TestCa;
  readonly theirs: TestCa;
  /** Ends trust-manager. */
  readonly stop: () => Promise<void>;
}

/** A cluster with trust-manager, whose Bundle takes the own anchor, a ConfigMap of somebody else, and ours. */
async function withTrustManager(executable: string, work: (world: World) => Promise<void>): Promise<void> {
  await using cluster = await Cluster.start(apiServerBeside() ?? '');
  const own = await presentCa(LINKERD_TRUST_DOMAIN, 'CN=root.linkerd.cluster.local');
  const theirs = await presentCa('theirs.example', 'CN=theirs');
  await prepareLinkerd(cluster);
  await serveBundles(executable, cluster);
  await cluster.call('POST', SOURCES, { metadata: { name: 'theirs' }, data: { 'ca.crt': pemOf(theirs) } });
  const bundle = anchorsBundle(own);
  bundle.spec.sources.push({ configMap: { name: 'theirs', key: 'ca.crt' } });
  await cluster.call('POST', BUNDLES, bundle);
  await using running = await startTrustManager(executable, cluster);
  await until('the anchors of trust-manager', async () => (await anchorsIn(cluster)).length === 2);
  await work({ cluster, own, theirs, stop: () => running[Symbol.asyncDispose]() });
}

/** The text that Linkerd's proxies are given. */
async function anchorsText(cluster: Cluster): Promise<string> {
  const { body } = await cluster.ask<SeenObject>('GET', `${configMapsIn('linkerd')}/${ANCHORS}`);
  return body.data?.[ANCHORS_KEY] ?? '';
}

/** The subjects in it. */
async function anchorsIn(cluster: Cluster): Promise<readonly string[]> {
  return certificatesFromPem(await anchorsText(cluster)).map((der) => parseCertificate(der).subject);
}

async function merged(executable: string): Promise<void> {
  await withTrustManager(executable, async ({ cluster }) => {
    const before = await anchorsText(cluster);
    await using beside = await startBesideLinkerd(cluster);
    await comeRotateAndGo(beside, async () => (await anchorsIn(cluster)).length - 2);
    assert.equal(await anchorsText(cluster), before, 'the anchors are as they were, to the letter');
    assert.equal((await beside.status()).own?.authorities, 2);
  });
}

async function howFar(executable: string): Promise<void> {
  await withTrustManager(executable, async ({ cluster }) => {
    const hash = async () =>
      createHash('sha256')
        .update(await anchorsText(cluster))
        .digest('hex');
    await createPod(cluster, 'before', await hash());
    await using beside = await startBesideLinkerd(cluster);
    await beside.federate();
    await until('accepted, with a stale pod', async () => {
      const inMesh = await beside.inMesh();
      return inMesh?.state === 'accepted' && inMesh.code === 'stale-proxies';
    });
    await cluster.call('DELETE', '/api/v1/namespaces/linkerd/pods/before', { gracePeriodSeconds: 0 });
    await createPod(cluster, 'after', await hash());
    await until('in effect', async () => (await beside.inMesh())?.state === 'in-effect', 75);
    // It keeps the peer's anchor until it is restarted, also when nobody else has it any more.
    await beside.removePeer([1]);
    const warnings = async () => (await beside.status()).warnings;
    await until('the pod to be told', async () => /1 of 1 pods/.test((await warnings())[0]?.message ?? ''));
    await cluster.call('DELETE', '/api/v1/namespaces/linkerd/pods/after', { gracePeriodSeconds: 0 });
    await createPod(cluster, 'last', await hash());
    await until('no warning', async () => (await warnings()).length === 0, 75);
  });
}

async function refused(executable: string): Promise<void> {
  await withTrustManager(executable, async ({ cluster, theirs }) => {
    await using beside = await startBesideLinkerd(cluster);
    const before = await anchorsText(cluster);
    const put = async (text: string) => {
      const held = await cluster.call<SeenObject>('GET', `${SOURCES}/theirs`);
      await cluster.call('PUT', `${SOURCES}/theirs`, { ...held, data: { 'ca.crt': text } });
    };
    await put('-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n');
    const condition = async () => JSON.stringify(await cluster.call('GET', `${BUNDLES}/${ANCHORS}`));
    await until('trust-manager to refuse it', async () => (await condition()).includes('SourceBuildError'));
    await beside.federate();
    await until('the refusal to be told', async () => (await beside.inMesh())?.code === 'bundle-not-synced');
    assert.equal((await beside.inMesh())?.state, 'written');
    assert.equal(await anchorsText(cluster), before, 'the last good anchors stay');
    await put(pemOf(theirs));
    await until('the anchor of the peer', async () => (await anchorsIn(cluster)).length === 3);
    await until('accepted', async () => (await beside.inMesh())?.state === 'accepted', 75);
  });
}

async function down(executable: string): Promise<void> {
  await withTrustManager(executable, async ({ cluster, stop }) => {
    const before = await anchorsText(cluster);
    await using beside = await startBesideLinkerd(cluster);
    await beside.federate();
    await until('its anchor', async () => (await anchorsIn(cluster)).length === 3);
    await stop();
    await beside.rotatePeer();
    const isReported = async () => (await beside.inMesh())?.code === 'anchors-not-merged';
    await until('nobody who merges to be told', isReported);
    assert.equal((await beside.inMesh())?.state, 'written');
    {
      await using _again = await startTrustManager(executable, cluster);
      await until('both anchors', async () => (await anchorsIn(cluster)).length === 4);
      await until('accepted', async () => (await beside.inMesh())?.state === 'accepted');
    }
    await beside.removePeer([1]);
    const warnings = async () => (await beside.status()).warnings.map(({ code }) => code);
    assert.deepEqual(await warnings(), ['mesh-still-trusts']);
    await using _ = await startTrustManager(executable, cluster);
    await until('the anchors as they were', async () => (await anchorsText(cluster)) === before);
    await until('no warning', async () => (await warnings()).length === 0);
  });
}

async function otherBundles(executable: string): Promise<void> {
  await withTrustManager(executable, async ({ cluster, own }) => {
    await using beside = await startBesideLinkerd(cluster);
    await beside.federate();
    await until('accepted', async () => (await beside.inMesh())?.state === 'accepted', 75);
    const held = await cluster.call<SeenObject>('GET', `${BUNDLES}/${ANCHORS}`);
    const withSources = (...sources: object[]) =>
      cluster.call('PUT', `${BUNDLES}/${ANCHORS}`, { ...held, spec: { ...held.spec, sources } });
    await withSources({ inLine: pemOf(own) });
    await until('the anchor to go', async () => (await anchorsIn(cluster)).length === 1);
    const code = (expected: string) =>
      until(expected, async () => (await beside.inMesh())?.code === expected, 75);
    await code('bundle-source-missing');
    assert.equal((await beside.inMesh())?.state, 'written', 'it is no longer where pods get it');
    await cluster.call('DELETE', `${BUNDLES}/${ANCHORS}`);
    await code('bundle-missing');
  });
}
