import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RotationDocument } from '../../src/admin/index.ts';
import { rotationHandlers } from '../../src/agent/admin/rotation.ts';
import { Rotation } from '../../src/agent/rotation.ts';
import { PeerHoldings } from '../../src/federation/index.ts';
import { type Svid, svidFromPem } from '../../src/mtls/index.ts';
import {
  BundleSet,
  bundleOf,
  contentDigest,
  parseSpiffeId,
  parseTrustDomain,
  type TrustBundle,
} from '../../src/spiffe/index.ts';
import type { Relationship, Store } from '../../src/store/index.ts';
import { ChangingSvid } from '../../testkit/changing-svid.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';

const US = parseTrustDomain('us.example');
const PEER = parseTrustDomain('b.example');
const SECOND = 1000;
const times = { hintMs: 60 * SECOND, leadMs: 180 * SECOND, leafLifetimeMs: 600 * SECOND, settleMs: 0 };
const relationship: Relationship = {
  trustDomain: PEER,
  endpointUrl: 'https://192.0.2.1/',
  profile: { kind: 'https_spiffe', endpointId: parseSpiffeId('spiffe://b.example/agent') },
  state: 'active',
  consecutiveFailures: 0,
  createdAt: TEST_INSTANT,
  bootstrap: { kind: 'bundle-file', detail: '' },
};

let clock: TestClock;
let store: Store;
let own: TrustBundle | undefined;
let holdings: PeerHoldings;
let svid: ChangingSvid;
let rotation: Rotation;
let first: TestCa;
let second: TestCa;

beforeEach(async () => {
  [first, second] = await Promise.all([
    createTestCa({ trustDomain: US, subject: 'CN=1' }),
    createTestCa({ trustDomain: US, subject: 'CN=2' }),
  ]);
  clock = new TestClock(TEST_INSTANT);
  store = await openTestStore();
  own = undefined;
  svid = new ChangingSvid();
  holdings = new PeerHoldings({
    ownTrustDomain: () => US,
    relationshipWith: (name) => (name === PEER ? relationship : undefined),
    bundles: new BundleSet([]),
    clock,
    log: createRecordingLog(),
  });
  rotation = new Rotation({
    store,
    own: () => own,
    svid,
    holdings,
    relationships: () => [relationship],
    times,
    reportedBy: 'mesh',
    clock,
    log: createRecordingLog(),
  });
});
afterEach(() => rotation.stop());

/** Publishes the next version of our own bundle, with these roots. */
async function publish(...cas: readonly TestCa[]): Promise<void> {
  const sequence = (own?.sequence ?? 0n) + 1n;
  const roots = cas.map(({ authority }) => authority);
  const bundle = bundleOf(US, roots, { sequence, refreshHintSeconds: 60 });
  await store.replaceCurrent({
    trustDomain: US,
    expectedDigest: own ? contentDigest(own) : null,
    version: { bundle, receivedAt: clock.now(), verdict: 'own', origin: 'istio' },
  });
  own = bundle;
}

/** The mesh reports its roots, and which of them signs. */
const report = (signing: TestCa | undefined, ...cas: readonly TestCa[]) =>
  rotation.observe({
    trustDomain: US,
    roots: cas.map(({ authority }) => authority),
    ...(signing ? { signing: [signing.authority.fingerprint] } : {}),
  });

const stages = async () =>
  (await store.rootLives(US))
    .map(({ label, stage, knownBy }) => `${label.slice(7)} ${stage} (${knownBy})`)
    .sort();
const events = async (kind: string) =>
  (await store.events())
    .filter((event) => event.kind === kind)
    .map(({ code, message }) => ({ code, message }));
const status = async (): Promise<RotationDocument> =>
  rotationHandlers({ rotation, own: () => own })['GET /v1/rotation']({
    params: {},
    query: undefined,
    body: undefined,
    actor: 'operator:test',
  });

/** What the peer proved: it holds the version that is published now, in effect. */
const peerHoldsNewest = () =>
  holdings.restore([
    {
      trustDomain: PEER,
      digest: contentDigest(own ?? first.bundle()),
      ...(own?.sequence === undefined ? {} : { sequence: own.sequence }),
      since: clock.now(),
      inMesh: { progress: 'in-effect', since: clock.now() },
      signer: parseSpiffeId('spiffe://b.example/agent'),
      address: '192.0.2.1',
      statedAt: clock.now(),
    },
  ]);

async function ownSvid(ca: TestCa): Promise<Svid> {
  const { certPem, keyPem } = await ca.issueLeaf({ path: '/agent' });
  return svidFromPem(certPem, keyPem);
}

describe('Rotation', () => {
  it('reports that there is nothing to rotate before the mesh has reported its roots', async () => {
    await expect(status()).rejects.toMatchObject({ code: 'own-bundle-unknown' });
  });

  it('follows a rotation through its stages, each with an event, and opens the gates in turn', async () => {
    await publish(first);
    await report(first, first);
    expect(await stages()).toEqual(['CN=1 in-use (mesh)']);
    peerHoldsNewest();

    await publish(first, second);
    await report(first, first, second);
    expect(await stages()).toEqual(['CN=1 in-use (mesh)', 'CN=2 published (bundle)']);
    const [, next] = (await status()).roots;
    expect(next?.use).toMatchObject({ safe: false, missing: [{ code: 'peer-behind', peer: PEER }] });
    peerHoldsNewest();
    expect((await status()).roots[1]?.use).toMatchObject({ safe: true, taken: [] });

    await report(second, first, second);
    expect(await stages()).toEqual(['CN=1 retiring (mesh)', 'CN=2 in-use (mesh)']);
    const [old] = (await status()).roots;
    expect(old?.retire).toMatchObject({ safe: false, missing: [{ code: 'identities-alive' }] });
    await clock.advance(times.leafLifetimeMs);
    expect((await status()).roots[0]?.retire).toMatchObject({ safe: true });

    await publish(second);
    await report(second, second);
    expect(await stages()).toEqual(['CN=1 gone (bundle)', 'CN=2 in-use (mesh)']);
    expect(await events('rotation-risk')).toEqual([]);
    for (const kind of ['root-in-use', 'root-published'] as const) expect(await events(kind)).toHaveLength(2);
    for (const kind of ['root-retiring', 'root-gone'] as const) expect(await events(kind)).toHaveLength(1);
  });

  it('reports a root that signs before a peer has it at once, with the affected peers', async () => {
    await publish(first);
    await report(first, first);
    peerHoldsNewest();
    await publish(first, second);
    await report(second, first, second);
    const [risk] = await events('rotation-risk');
    expect(risk?.code).toBe('root-used-early');
    expect(risk?.message).toContain(PEER);
  });

  it('uses our own SVID where the mesh does not report what signs, and reports when it is unknown', async () => {
    await publish(first, second);
    await report(undefined, first, second);
    expect(await stages()).toEqual(['CN=1 published (bundle)', 'CN=2 published (bundle)']);
    expect(await status()).toMatchObject({ signing_known_by: null });
    rotation.start();
    svid.change(await ownSvid(first));
    expect(await status()).toMatchObject({ signing_known_by: 'own-svid' });
    svid.change(await ownSvid(second));
    await rotation.review();
    expect(await stages()).toEqual(['CN=1 retiring (own-svid)', 'CN=2 in-use (own-svid)']);
  });

  it('reports once that our own SVID is under a root that is not published, and when that is over', async () => {
    await publish(first);
    svid.change(await ownSvid(first));
    await report(undefined, first);
    expect(await events('rotation-risk')).toEqual([]);
    svid.change(await ownSvid(second));
    await rotation.review();
    await rotation.review();
    expect((await events('rotation-risk')).map(({ code }) => code)).toEqual(['own-svid-unproven']);
    expect((await status()).findings).toMatchObject([{ level: 'impossible', code: 'own-svid-unproven' }]);
    await publish(first, second);
    await rotation.review();
    expect((await events('recovered')).map(({ code }) => code)).toEqual(['own-svid-unproven']);
  });

  it('infers the state of a silent peer from polls at the address of its endpoint, otherwise gives it time', async () => {
    await publish(first);
    await report(first, first);
    expect((await status()).peers).toMatchObject([{ trust_domain: PEER, known: 'never-seen', newest: null }]);
    await clock.advance(3_600_000);
    await publish(first, second);
    const tag = ((await rotation.view())?.versions[0]?.tag ?? '').toString();
    expect((await status()).roots[1]?.use).toMatchObject({ safe: false, missing: [{ code: 'never-seen' }] });
    void holdings.note({ address: '192.0.2.1' });
    holdings.noteServed('192.0.2.1', tag);
    const seen = await status();
    expect(seen.peers).toMatchObject([
      { known: 'inferred', address: '192.0.2.1', sequence: '2', newest: true },
    ]);
    expect(seen.pollers).toEqual([]);
    expect(seen.roots[1]?.use).toMatchObject({ safe: true, taken: [{ who: PEER, by: 'fetch' }] });
    void holdings.note({ address: '192.0.2.77', heldTag: '"other"' });
    const other = await status();
    expect(other.pollers).toMatchObject([{ address: '192.0.2.77', sequence: null }]);
    expect(other.roots[1]?.use.missing).toMatchObject([{ code: 'poller-behind', poller: '192.0.2.77' }]);
    await clock.advance(times.leadMs);
    expect((await status()).roots[1]?.use).toMatchObject({ safe: true });
  });
});
