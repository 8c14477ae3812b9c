import { beforeEach, describe, expect, it } from 'vitest';
import { HeldBundles } from '../../src/federation/trust/held-bundles.ts';
import { defaultScheduleSettings } from '../../src/federation/index.ts';
import { AddressNumbers } from '../../src/federation/poll/address-numbers.ts';
import { type Offer, settleOffer } from '../../src/federation/poll/settle-offer.ts';
import { TrustedBundles } from '../../src/federation/trust/trusted-bundles.ts';
import { contentDigest, type TrustBundle } from '../../src/spiffe/index.ts';
import type { Store } from '../../src/store/index.ts';
import { added, at, bundle, consul, istio, relationship, start, version } from '../store/sample-bundles.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { TestClock } from '../../testkit/test-clock.ts';

/** When the sample roots are valid. */
const polledAt = new Date('2030-06-01T12:00:00Z');

let store: Store;
let held: HeldBundles;
let trusted: TrustedBundles;
let own: TrustBundle | undefined;
let swapped: (bigint | undefined | 'nothing')[];
let clock: TestClock;

beforeEach(async () => {
  store = await openTestStore();
  held = new HeldBundles(createRecordingLog());
  clock = new TestClock(polledAt);
  trusted = new TrustedBundles({ held, clock, log: createRecordingLog() });
  own = undefined;
  swapped = [];
  await federate(bundle([1], 5n));
  held.onChange((_, changed) => swapped.push(changed ? changed.sequence : 'nothing'));
});

async function federate(first: TrustBundle): Promise<void> {
  await store.addRelationship(relationship(), version(first, start, 'bootstrap'), added());
  held.replace(first);
}

const settle = (offered: TrustBundle, rest: Partial<Offer> = {}, more: object = {}, with_: Store = store) =>
  settleOffer(
    {
      store: with_,
      held,
      trusted,
      own: () => own,
      clock,
      schedule: defaultScheduleSettings,
      addressNumbers: new AddressNumbers(),
    },
    { ...relationship(), ...more },
    {
      bundle: offered,
      notes: [],
      trace: { redirects: [], durationMs: 1 },
      signal: new AbortController().signal,
      ...rest,
    },
  );
const history = async () => (await store.history(istio)).map(({ number }) => number);
const lastEvent = async () => (await store.events({ trustDomain: istio, limit: 1 }))[0];
const web = { profile: { kind: 'https_web' } } as const;

describe('settleOffer()', () => {
  it('writes what is accepted, then holds it and tells it (invariant 2)', async () => {
    const offered = bundle([2, 3], 6n);
    const settled = await settle(offered, {
      notes: [{ code: 'entry-repeated', message: 'passed over' }],
      trace: {
        redirects: ['https://a.example/', 'https://c.example/', 'https://b.example/'],
        leafFingerprint: 'aa',
        rootFingerprint: 'bb',
        durationMs: 1,
      },
    });
    expect(settled).toMatchObject({
      outcome: { kind: 'accepted', versionNumber: 2, added: 2, removed: 1, notes: [] },
    });
    expect(settled.outcome).not.toHaveProperty('overridden');
    expect(settled.outcome).toMatchObject({ ignored: [{ message: 'passed over' }] });
    expect(held.bundleFor(istio)).toBe(offered);
    expect(swapped).toEqual([6n]);
    expect(await store.current(istio)).toMatchObject({
      number: 2,
      receivedAt: polledAt,
      verdict: 'accepted',
      origin: 'https://b.example/',
      provedBy: 'leaf aa root bb',
      digest: contentDigest(offered),
    });
    expect(await lastEvent()).toMatchObject({
      at: polledAt,
      kind: 'bundle-accepted',
      actor: 'agent',
      versionNumber: 2,
      message: 'a new bundle of istio.example: 2 added, 1 removed',
      detail: { added: 2, removed: 1, notes: [], ignored: ['passed over'] },
    });
    expect(await lastEvent()).not.toHaveProperty('code');
  });

  it('keeps the configured URL as the origin where nothing redirected, and no proof where there is none', async () => {
    await settle(bundle([1, 2], 6n));
    const current = await store.current(istio);
    expect(current?.origin).toBe(relationship().endpointUrl);
    expect(current).not.toHaveProperty('provedBy');
  });

  it('gives the event the code and the words of what an operator should know (FED-50, TDB-05)', async () => {
    const settled = await settle(bundle([1, 2], 5n));
    expect(settled.outcome).toMatchObject({ notes: [{ code: 'content-changed-under-same-sequence' }] });
    expect(await lastEvent()).toMatchObject({
      code: 'content-changed-under-same-sequence',
      detail: { notes: [expect.stringContaining('kept sequence 5')] },
    });
  });

  it('writes nothing for equal content, and tells nobody (invariant 8)', async () => {
    const before = held.bundleFor(istio);
    expect(await settle(bundle([1], 5n))).toEqual({ outcome: { kind: 'unchanged' } });
    expect(held.bundleFor(istio)).toBe(before);
    expect([await history(), swapped]).toEqual([[1], []]);
  });

  it('counts JWT keys beside roots', async () => {
    const jwk = (x: string) => ({
      keyId: x,
      jwk: { kty: 'OKP', crv: 'Ed25519', x: x.repeat(43).slice(0, 42) + 'A' },
    });
    const withKeys = (numbers: readonly number[], keys: readonly string[], sequence: bigint) => ({
      ...bundle(numbers, sequence),
      jwtAuthorities: keys.map(jwk),
    });
    expect((await settle(withKeys([1, 2], ['a', 'b'], 6n))).outcome).toMatchObject({ added: 3, removed: 0 });
    expect((await settle(withKeys([1], ['c'], 7n))).outcome).toMatchObject({ added: 1, removed: 3 });
  });

  it('remembers a higher number over equal content without a new version, and never goes back behind it (invariant 3)', async () => {
    expect(await settle(bundle([1], 9n))).toEqual({ outcome: { kind: 'unchanged' } });
    expect([held.bundleFor(istio)?.sequence, (await store.current(istio))?.bundle.sequence]).toEqual([
      9n,
      9n,
    ]);
    expect([await history(), swapped]).toEqual([[1], []]);
    expect(await settle(bundle([1, 2], 8n))).toMatchObject({
      outcome: { kind: 'refused', code: 'sequence-rolled-back', message: expect.stringContaining('older') },
      incident: 'bundle-refused',
    });
    expect([held.bundleFor(istio)?.sequence, await history()]).toEqual([9n, [1]]);
  });

  it('does not forget a number that is gone over equal content (invariant 3)', async () => {
    expect(await settle({ ...bundle([1]), refreshHintSeconds: 60 })).toEqual({
      outcome: { kind: 'unchanged' },
    });
    expect(held.bundleFor(istio)).toMatchObject({ sequence: 5n, refreshHintSeconds: 60 });
    expect((await store.current(istio))?.bundle.sequence).toBe(5n);
    expect((await settle(bundle([1, 2], 4n))).outcome).toMatchObject({ code: 'sequence-rolled-back' });
  });

  it('notes nothing in the store where only the hint moved, nor where there never was a number', async () => {
    let noted = 0;
    const watched = Object.assign(Object.create(store) as Store, {
      noteUnchanged: async () => {
        noted += 1;
      },
    });
    await settle(bundle([1]), {}, {}, watched);
    await settle({ ...bundle([1], 5n), refreshHintSeconds: 60 }, {}, {}, watched);
    expect([noted, held.bundleFor(istio)?.refreshHintSeconds]).toEqual([0, 60]);
    held.replace(bundle([1]));
    await settle({ ...bundle([1]), refreshHintSeconds: 90 }, {}, {}, watched);
    expect(noted).toBe(0);
    expect(held.bundleFor(istio)).not.toHaveProperty('sequence');
    await settle(bundle([1], 6n), {}, {}, watched);
    expect([noted, held.bundleFor(istio)?.sequence]).toEqual([1, 6n]);
  });

  it('keeps out what waits for an operator (invariant 4)', async () => {
    expect(await settle(bundle([2], 6n), {}, web)).toMatchObject({
      outcome: {
        kind: 'quarantined',
        code: 'all-roots-replaced',
        message: expect.stringContaining('Web PKI'),
      },
      incident: 'bundle-quarantined',
    });
    own = bundle([4], 1n, consul);
    expect((await settle(bundle([1, 4], 6n))).outcome).toMatchObject({ code: 'own-root-offered' });
    own = undefined;
    held.replace(bundle([4], 1n, consul));
    swapped = [];
    expect((await settle(bundle([1, 4], 6n))).outcome).toMatchObject({
      code: 'root-of-another-trust-domain',
    });
    expect([await history(), swapped, held.bundleFor(istio)?.sequence]).toEqual([[1], [], 5n]);
  });

  it('lets an operator set an objection aside, in their name and with their reason (FED-52)', async () => {
    const override = { actor: 'ann', reason: 'restored from a backup' };
    const settled = await settle(bundle([2], 3n), { override });
    expect(settled.outcome).toMatchObject({
      kind: 'accepted',
      overridden: 'sequence-rolled-back',
      versionNumber: 2,
    });
    expect(await store.current(istio)).toMatchObject({ verdict: 'operator' });
    expect(await lastEvent()).toMatchObject({
      kind: 'operator-override',
      actor: 'ann',
      code: 'sequence-rolled-back',
      message: expect.stringContaining('restored from a backup'),
    });
    expect(swapped).toEqual([3n]);
  });

  it('mentions no operator where there was nothing to set aside', async () => {
    const override = { actor: 'ann', reason: 'to be sure' };
    const settled = await settle(bundle([1, 2], 6n), { override });
    expect(settled.outcome).not.toHaveProperty('overridden');
    expect(await store.current(istio)).toMatchObject({ verdict: 'accepted' });
    expect(await lastEvent()).toMatchObject({ kind: 'bundle-accepted', actor: 'agent' });
  });

  it('drops an answer of a relationship that was called off or removed meanwhile (FED-59)', async () => {
    const off = AbortSignal.abort();
    expect(await settle(bundle([2], 6n), { signal: off })).toEqual({ outcome: { kind: 'called-off' } });
    expect([await history(), swapped]).toEqual([[1], []]);
    await store.removeRelationship(istio, { at: at(61), actor: 'ann', reason: 'over' });
    held.drop(istio);
    swapped = [];
    expect(await settle(bundle([2], 6n))).toEqual({ outcome: { kind: 'called-off' } });
    expect([held.bundleFor(istio), swapped, await history()]).toEqual([undefined, [], [1]]);
  });

  it('writes nothing on top of a trust that the store no longer knows', async () => {
    await store.removeRelationship(istio, { at: at(61), actor: 'ann', reason: 'again' });
    await store.addRelationship({ ...relationship(), state: 'pending' }, undefined, added());
    expect((await settle(bundle([2], 6n))).outcome).toMatchObject({ kind: 'failed', code: 'store-conflict' });
    expect([await store.current(istio), swapped]).toEqual([undefined, []]);
  });

  it('accepts a first bundle of a relationship that has none yet', async () => {
    await store.removeRelationship(istio, { at: at(61), actor: 'ann', reason: 'again' });
    held.drop(istio);
    await store.addRelationship({ ...relationship(), state: 'pending' }, undefined, added());
    expect((await settle(bundle([2], 1n))).outcome).toMatchObject({ kind: 'accepted', added: 1, removed: 0 });
    expect(held.bundleFor(istio)?.sequence).toBe(1n);
  });

  it('judges again against what another writer wrote meanwhile (invariant 3)', async () => {
    const written = { trustDomain: istio, expectedDigest: contentDigest(bundle([1])) };
    expect(
      await store.replaceCurrent({ ...written, version: version(bundle([3], 8n), at(30)) }),
    ).toMatchObject({
      number: 2,
    });
    expect((await settle(bundle([2], 7n))).outcome).toMatchObject({ code: 'sequence-rolled-back' });
    expect([held.bundleFor(istio)?.sequence, swapped, await history()]).toEqual([8n, [8n], [2, 1]]);
    // And an offer that stands is written on top.
    expect((await settle(bundle([2], 9n))).outcome).toMatchObject({ kind: 'accepted', versionNumber: 3 });
  });

  it('gives up after three attempts where another writer writes again and again', async () => {
    let attempts = 0;
    const busy = Object.assign(Object.create(store) as Store, {
      replaceCurrent: async () => {
        attempts += 1;
        return 'conflict';
      },
    });
    expect(await settle(bundle([2], 6n), {}, {}, busy)).toMatchObject({
      outcome: { kind: 'failed', code: 'store-conflict' },
      incident: 'bundle-refused',
    });
    expect(attempts).toBe(3);
    expect(await history()).toEqual([1]);
  });
});
