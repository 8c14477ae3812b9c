import { beforeEach, describe, expect, it } from 'vitest';
import { AddressNumbers } from '../../src/federation/poll/address-numbers.ts';
import { HeldBundles } from '../../src/federation/trust/held-bundles.ts';
import { settleOffer } from '../../src/federation/poll/settle-offer.ts';
import { defaultScheduleSettings } from '../../src/federation/fetch/schedule.ts';
import { TrustedBundles } from '../../src/federation/trust/trusted-bundles.ts';
import type { BundleNote, TrustBundle } from '../../src/spiffe/index.ts';
import type { Relationship, Store } from '../../src/store/index.ts';
import { added, bundle, istio, relationship, version } from '../store/sample-bundles.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { TestClock } from '../../testkit/test-clock.ts';

const HOUR_MS = 3_600_000;
const began = new Date('2030-06-01T12:00:00Z');
const now = BigInt(began.getTime() / 1000);
const web = { profile: { kind: 'https_web' } } as const;
const leftOut: BundleNote = {
  code: 'entry-key-type-unknown',
  index: 0,
  message: 'entry 0 is ignored: no kty',
};

let store: Store;
let held: HeldBundles;
let clock: TestClock;
let trusted: TrustedBundles;
let poll: (
  offered: TrustBundle,
  more?: Partial<Relationship>,
  rest?: { readonly notes?: readonly BundleNote[]; readonly overlapLeadMs?: number },
) => Promise<string>;

beforeEach(async () => {
  store = await openTestStore();
  held = new HeldBundles(createRecordingLog());
  clock = new TestClock(began);
  trusted = new TrustedBundles({ held, clock, log: createRecordingLog() });
  const addressNumbers = new AddressNumbers();
  poll = async (offered, more = web, { notes = [], overlapLeadMs } = {}) => {
    const { outcome, incident } = await settleOffer(
      {
        store,
        held,
        trusted,
        own: () => undefined,
        clock,
        addressNumbers,
        schedule: defaultScheduleSettings,
        overlapLeadMs,
      },
      { ...relationship(), ...more },
      {
        bundle: offered,
        notes,
        trace: { redirects: [], durationMs: 1 },
        signal: new AbortController().signal,
      },
    );
    const code = 'code' in outcome ? ` ${outcome.code}` : '';
    return `${outcome.kind}${code}${incident === undefined || code !== '' ? '' : ` and ${incident}`}`;
  };
});

async function federate(first: TrustBundle): Promise<void> {
  await store.addRelationship(relationship(), version(first, began, 'bootstrap'), added(istio, began));
  held.replace(first);
}

const jwt = (...names: string[]) =>
  names.map((name) => ({
    keyId: name,
    jwk: { kty: 'OKP', crv: 'Ed25519', x: `${name.repeat(42).slice(0, 42)}A` },
  }));
const withJwt = (numbers: readonly number[], names: readonly string[], sequence?: bigint) => ({
  ...bundle(numbers, sequence),
  jwtAuthorities: jwt(...names),
});
const replaced = 'quarantined all-roots-replaced';
const jwtReplaced = 'quarantined all-jwt-keys-replaced';

describe('a takeover of an https_web endpoint in two steps', () => {
  beforeEach(() => federate(bundle([1], 5n)));

  it('waits for an operator as one in one step does: a root that was added a moment ago is not an overlap', async () => {
    expect(await poll(bundle([2], 6n))).toBe(replaced);
    expect(await poll(bundle([1, 2], 6n))).toBe('accepted');
    await clock.advance(23 * HOUR_MS);
    expect(await poll(bundle([2], 7n))).toBe(replaced);
    expect(await poll(bundle([2, 3], 7n))).toBe(replaced);
    expect(held.bundleFor(istio)?.x509Authorities).toHaveLength(2);
  });

  it('is not made easier by an empty or an unusable document in between', async () => {
    expect(await poll(bundle([1, 2], 6n))).toBe('accepted');
    expect(await poll(bundle([], 7n))).toBe('accepted');
    expect(await poll(bundle([2], 8n))).toBe(replaced);
    expect(await poll(bundle([1], 8n))).toBe(replaced);
  });

  it('is not made easier by an unusable document that stands for a day', async () => {
    expect(await poll(bundle([1, 2], 6n))).toBe('accepted');
    expect(await poll(bundle([], 7n), web, { notes: [leftOut] })).toBe('accepted and bundle-unusable');
    await clock.advance(48 * HOUR_MS);
    expect(await poll(bundle([2], 8n))).toBe(replaced);
    expect(await poll(bundle([1], 8n))).toBe('accepted');
  });

  it('is not what an honest rotation looks like: a root that was held for a day counts', async () => {
    expect(await poll(bundle([1, 2], 6n))).toBe('accepted');
    await clock.advance(24 * HOUR_MS);
    expect(await poll(bundle([2], 7n))).toBe('accepted');
    // And from there the same again.
    expect(await poll(bundle([2, 3], 8n))).toBe('accepted');
    expect(await poll(bundle([3], 9n))).toBe(replaced);
  });

  it('is asked about for as long as the config says, and for three refresh hints at least', async () => {
    const quick = { overlapLeadMs: 60_000 };
    const hinted = (numbers: readonly number[], sequence: bigint) => ({
      ...bundle(numbers, sequence),
      refreshHintSeconds: 600,
    });
    expect(await poll(hinted([1, 2], 6n), web, quick)).toBe('accepted');
    await clock.advance(1_799_000);
    expect(await poll(hinted([2], 7n), web, quick)).toBe(replaced);
    await clock.advance(1_000);
    expect(await poll(hinted([2], 7n), web, quick)).toBe('accepted');
  });

  it('does not concern endpoints that prove themselves by a held root', async () => {
    expect(await poll(bundle([1, 2], 6n), {})).toBe('accepted');
    expect(await poll(bundle([2], 7n), {})).toBe('accepted');
  });

  it('is not vouched for by a root that has ended, is not valid yet, or is distrusted', async () => {
    const [one] = bundle([1]).x509Authorities;
    if (!one) throw new Error('a sample has roots');
    const dated = (notBefore: Date, notAfter: Date, ...numbers: number[]) => ({
      ...bundle(numbers, 6n),
      x509Authorities: [{ ...one, notBefore, notAfter }, ...bundle(numbers).x509Authorities],
    });
    const [past, future] = [new Date(began.getTime() - 1), new Date(began.getTime() + 1)];
    expect(await poll(dated(past, past, 2))).toBe(replaced);
    expect(await poll(dated(future, future, 2))).toBe(replaced);
    // Alone it is new trust too, as soon as it is valid.
    held.replace({ ...bundle([2], 5n) });
    expect(await poll(dated(future, future))).toBe(replaced);
    held.replace(bundle([1], 5n));
    trusted.distrust({
      trustDomain: istio,
      keyFingerprint: one.keyFingerprint,
      label: 'root 1',
      at: began,
      actor: 'ann',
      reason: 'stolen',
    });
    expect(await poll(bundle([1, 2], 6n))).toBe(replaced);
  });

  it('takes the roots that an operator accepted as an overlap at once', async () => {
    const file = version(bundle([2], 6n), began, 'operator');
    await store.replaceCurrent({
      trustDomain: istio,
      expectedDigest: (await store.current(istio))?.digest ?? null,
      version: file,
    });
    held.replace(file.bundle);
    expect(await poll(bundle([2, 3], 7n))).toBe('accepted');
  });
});

describe('a takeover by JWT keys over https_web', () => {
  it('waits where a trust domain has JWT keys only', async () => {
    await federate(withJwt([], ['a'], 5n));
    expect(await poll(withJwt([], ['b'], 6n))).toBe(jwtReplaced);
    expect(await poll(withJwt([], ['a', 'b'], 6n))).toBe('accepted');
    expect(await poll(withJwt([], ['b'], 7n))).toBe(jwtReplaced);
    await clock.advance(24 * HOUR_MS);
    expect(await poll(withJwt([], ['b'], 7n))).toBe('accepted');
    // A root would speak for it from now on.
    expect(await poll(withJwt([1], ['b'], 8n))).toBe(replaced);
  });

  it('waits where roots stay and all JWT keys go, in one step, in two, and with a revocation in between', async () => {
    await federate(withJwt([1], ['a'], 5n));
    expect(await poll(withJwt([1], ['b'], 6n))).toBe(jwtReplaced);
    expect(await poll(withJwt([1], ['a', 'b'], 6n))).toBe('accepted');
    expect(await poll(withJwt([1], ['b'], 7n))).toBe(jwtReplaced);
    expect(await poll(withJwt([1], [], 7n))).toBe('accepted');
    expect(await poll(withJwt([1], ['b'], 8n))).toBe(jwtReplaced);
  });

  it('is not what the first JWT keys of a trust domain are, next to a root that is held', async () => {
    await federate(bundle([1], 5n));
    expect(await poll(withJwt([1], ['a'], 6n))).toBe('accepted');
  });

  it('knows a JWT key under another key ID', async () => {
    await federate(withJwt([], ['a'], 5n));
    const [{ jwk } = { jwk: {} }] = jwt('a');
    const renamed = { ...bundle([], 6n), jwtAuthorities: [{ keyId: 'renamed', jwk }] };
    expect(await poll(renamed)).toBe('accepted');
  });
});

describe('the wrong document', () => {
  beforeEach(() => federate(withJwt([1], ['a'], 5n)));

  it('counts as a revocation (TDB-05), and its own keys are taken again when the right one is back', async () => {
    expect(await poll(bundle([], 6n), web, { notes: [leftOut] })).toBe('accepted and bundle-unusable');
    expect(held.bundleFor(istio)?.x509Authorities).toEqual([]);
    expect(await poll(bundle([], 6n), web, { notes: [leftOut] })).toBe('unchanged and bundle-unusable');
    expect(await poll(bundle([2], 7n))).toBe(replaced);
    expect(await poll(withJwt([1], ['b'], 7n))).toBe(jwtReplaced);
    expect(await poll(withJwt([1], ['a'], 7n))).toBe('accepted');
  });

  it('leaves the roots known where only they cannot be read', async () => {
    expect(await poll(withJwt([], ['a'], 6n), web, { notes: [leftOut] })).toBe('accepted');
    expect(await poll(withJwt([1], ['a'], 7n))).toBe('accepted');
  });
});

describe('a sequence that jumps', () => {
  beforeEach(() => federate(bundle([1, 2], 5n)));
  const MOST = 2n ** 64n - 1n;

  it('over equal content is not remembered, so that the owner’s own revocation still counts', async () => {
    expect(await poll(bundle([1, 2], MOST))).toBe('unchanged and sequence-jumped');
    expect(held.bundleFor(istio)?.sequence).toBe(5n);
    expect(await poll(bundle([1], 6n))).toBe('accepted');
  });

  it('over other content waits for an operator, and the owner’s own revocation still counts', async () => {
    expect(await poll(bundle([1, 2, 3], MOST))).toBe('quarantined sequence-jumped');
    expect(await poll(bundle([1], MOST))).toBe('quarantined sequence-jumped');
    expect(await poll(bundle([1], 6n))).toBe('accepted');
  });

  it('is remembered over equal content only as far as its publisher may have counted', async () => {
    for (const sequence of [1_006n, 1_000_005n, now])
      expect(await poll(bundle([1, 2], sequence))).toBe('unchanged');
    expect(held.bundleFor(istio)?.sequence).toBe(5n);
    for (const sequence of [1_005n, 2_005n]) expect(await poll(bundle([1, 2], sequence))).toBe('unchanged');
    expect(held.bundleFor(istio)?.sequence).toBe(1_005n);
    // Not even that keeps the owner's own revocation out; what brings a key stays out.
    expect(await poll(bundle([1, 2, 3], 6n))).toBe('refused sequence-rolled-back');
    expect(await poll(bundle([1], 5n))).toBe('refused sequence-rolled-back');
    expect(await poll(bundle([1], 6n))).toBe('accepted');
  });

  it.each([
    ['by a leap', 900_000n],
    ['to the time', now],
  ])('%s with one more root does not keep the owner’s own revocation out', async (_how, sequence) => {
    expect(await poll(bundle([1, 2, 3], sequence))).toBe('accepted');
    expect(await poll(bundle([1, 2, 3, 4], sequence + 1n))).toBe('accepted');
    // What was published before stays out, and so does what brings a key.
    expect(await poll(bundle([1, 2], 5n))).toBe('refused sequence-rolled-back');
    expect(await poll(bundle([1, 2, 5], 6n))).toBe('refused sequence-rolled-back');
    expect(await poll(bundle([1, 2], 6n))).toBe('accepted');
    expect(held.bundleFor(istio)?.x509Authorities).toHaveLength(2);
    expect(await poll(bundle([1, 2, 3, 4], sequence + 1n))).toBe('refused sequence-rolled-back');
    // The way on for the owner: numbers above, such as the time.
    expect(await poll(bundle([1, 2, 5], now + 100n))).toBe('accepted');
  });

  it('to the time is not taken back after a month', async () => {
    expect(await poll(bundle([1, 2, 3], now))).toBe('accepted');
    await clock.advance(31 * 24 * HOUR_MS);
    expect(await poll(bundle([1, 2], 6n))).toBe('refused sequence-rolled-back');
  });

  it('to the time in seconds is taken with other content and on record, and not remembered over equal content', async () => {
    expect(await poll(bundle([1, 2], now))).toBe('unchanged');
    expect(held.bundleFor(istio)?.sequence).toBe(5n);
    expect(await poll(bundle([1], now))).toBe('accepted');
    expect((await store.events({ trustDomain: istio, limit: 1 }))[0]).toMatchObject({
      kind: 'bundle-accepted',
      code: 'sequence-jumped',
      detail: { notes: [`istio.example jumps from 5 to sequence ${now}`] },
    });
    expect(held.bundleFor(istio)?.sequence).toBe(now);
  });

  it('does the same to a peer whose numbers begin', async () => {
    held.replace(bundle([1]));
    await store.replaceCurrent({
      trustDomain: istio,
      expectedDigest: (await store.current(istio))?.digest ?? null,
      version: version(bundle([1]), began, 'operator'),
    });
    expect(await poll(bundle([1], MOST))).toBe('unchanged and sequence-jumped');
    expect(held.bundleFor(istio)).not.toHaveProperty('sequence');
    expect(await poll(bundle([1, 2], MOST))).toBe('quarantined sequence-jumped');
    expect(await poll(bundle([1, 2], now))).toBe('accepted');
  });
});

describe('a replica of the endpoint that counts lower', () => {
  const replica = { profile: web.profile, endpointUrl: 'https://replica.example/' };
  beforeEach(() => federate(bundle([1, 2], 100n)));

  it('is unchanged with the held content, and the highest number stays the one that counts', async () => {
    expect(await poll(bundle([1, 2], 50n), replica)).toBe('unchanged');
    expect([held.bundleFor(istio)?.sequence, (await store.current(istio))?.bundle.sequence]).toEqual([
      100n,
      100n,
    ]);
  });

  it('may take keys away once it showed the held content, on record, and a replay stays out', async () => {
    expect(await poll(bundle([1], 51n), replica)).toBe('refused sequence-rolled-back');
    expect(await poll(bundle([1, 2], 50n), replica)).toBe('unchanged');
    expect(await poll(bundle([1], 50n), replica)).toBe('refused sequence-rolled-back');
    expect(await poll(bundle([1, 2, 3], 51n), replica)).toBe('refused sequence-rolled-back');
    expect(await poll(bundle([1], 51n), replica)).toBe('accepted');
    expect((await store.events({ trustDomain: istio, limit: 1 }))[0]).toMatchObject({
      code: 'removal-under-lower-sequence',
    });
    // What was taken away does not come back under a number that was there before.
    expect(await poll(bundle([1, 2], 50n), replica)).toBe('refused sequence-rolled-back');
    expect(await poll(bundle([1, 2], 100n), web)).toBe('refused sequence-rolled-back');
    expect(await poll(bundle([1], 101n), web)).toBe('unchanged');
    expect(await poll(bundle([1, 3], 102n), web)).toBe('accepted');
  });

  it('is only believed for itself, and never from the carrier of a signed bundle', async () => {
    expect(await poll(bundle([1, 2], 50n), replica)).toBe('unchanged');
    expect(await poll(bundle([1], 51n), { ...replica, endpointUrl: 'https://another.example/' })).toBe(
      'refused sequence-rolled-back',
    );
    const signed = {
      profile: { kind: 'signed_bundle', signerId: 'spiffe://istio.example/federate' },
    } as never;
    expect(await poll(bundle([1], 51n), { ...replica, ...Object(signed) })).toBe(
      'refused sequence-rolled-back',
    );
  });
});
