import { describe, expect, it } from 'vitest';
import { OwnBundle } from '../../src/agent/own-bundle.ts';
import { parseTrustDomain, type TrustBundle, type X509Authority } from '../../src/spiffe/index.ts';
import type { Store } from '../../src/store/index.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { createTestCa } from '../../testkit/test-ca.ts';
import { createTokenKey } from '../../testkit/test-tokens.ts';
import { TestClock } from '../../testkit/test-clock.ts';

const NAME = parseTrustDomain('a.example');
const START = new Date('2026-06-01T00:00:00Z');

async function root(subject: string): Promise<X509Authority> {
  return (await createTestCa({ trustDomain: NAME, subject })).authority;
}

async function create(before?: Store, expected?: typeof NAME) {
  const store = before ?? (await openTestStore());
  const published: TrustBundle[] = [];
  const clock = new TestClock(START);
  const log = createRecordingLog();
  const own = new OwnBundle({
    store,
    expected,
    refreshHintSeconds: 60,
    origin: 'istio',
    clock,
    log,
  });
  own.follow((bundle) => published.push(bundle));
  return { own, published, store, clock, log };
}

describe('OwnBundle', () => {
  it('numbers each change, stores it before it publishes it, and starts at the time in seconds (TDB-07)', async () => {
    const { own, published, store } = await create();
    const [one, two] = [await root('CN=1'), await root('CN=2')];
    await own.observe({ trustDomain: NAME, roots: [one] });
    await own.observe({ trustDomain: NAME, roots: [one, two] });
    const first = BigInt(START.getTime() / 1000);
    expect(published.map((bundle) => bundle.sequence)).toEqual([first, first + 1n]);
    expect(published.every((bundle) => bundle.refreshHintSeconds === 60)).toBe(true);
    expect((await store.history(NAME)).map((version) => version.verdict)).toEqual(['own', 'own']);
  });

  it('publishes nothing again for equal content, in whatever order', async () => {
    const { own, published } = await create();
    const [one, two] = [await root('CN=1'), await root('CN=2')];
    await own.observe({ trustDomain: NAME, roots: [one, two] });
    await own.observe({ trustDomain: NAME, roots: [two, one] });
    expect(published).toHaveLength(1);
  });

  it('keeps publishing what an unconfirmed report lacks, also after a restart', async () => {
    const { own, published, store } = await create();
    const [one, two, three] = [await root('CN=1'), await root('CN=2'), await root('CN=3')];
    await own.observe({ trustDomain: NAME, roots: [one, two] });
    const counting = await own.observe({ trustDomain: NAME, roots: [one], isConfirmed: false });
    expect([published.length, counting.roots.length]).toEqual([1, 2]);
    const restarted = await create(store);
    await restarted.own.load();
    await restarted.own.observe({ trustDomain: NAME, roots: [two], isConfirmed: false });
    expect(restarted.published).toHaveLength(1);
    // A new root is published at once.
    await restarted.own.observe({ trustDomain: NAME, roots: [two, three], isConfirmed: false });
    expect(restarted.published.at(-1)?.x509Authorities).toHaveLength(3);
    await restarted.own.observe({ trustDomain: NAME, roots: [two, three] });
    expect(restarted.published.at(-1)?.x509Authorities).toHaveLength(2);
  });

  it('takes out a key that the operator distrusts without a second look', async () => {
    const { own, published, store, clock } = await create();
    const [one, two] = [await root('CN=1'), await root('CN=2')];
    await own.observe({ trustDomain: NAME, roots: [one, two], isConfirmed: false });
    await store.distrustKey({
      trustDomain: NAME,
      keyFingerprint: two.keyFingerprint,
      at: clock.now(),
      actor: 'operator:1',
      reason: 'stolen',
      label: 'CN=2',
    });
    await own.reconsider();
    expect(published.at(-1)?.x509Authorities).toEqual([one]);
  });

  it('refuses a report without roots, because publishing it would revoke every identity', async () => {
    const { own, published, log } = await create();
    await own.observe({ trustDomain: NAME, roots: [await root('CN=1')] });
    await own.observe({ trustDomain: NAME, roots: [] });
    expect(published).toHaveLength(1);
    expect(log.records.some((record) => record.level === 'error')).toBe(true);
  });

  it('numbers, stores and publishes JWT keys like roots, and its history lists them (TDB-07, TDB-33)', async () => {
    const { own, published, store } = await create();
    const [one, two] = [createTokenKey('P-256', 'k1').authority, createTokenKey('rsa-2048', 'k2').authority];
    const roots = [await root('CN=1')];
    await own.observe({ trustDomain: NAME, roots, jwtAuthorities: [one] });
    await own.observe({ trustDomain: NAME, roots, jwtAuthorities: [one, two] });
    await own.observe({ trustDomain: NAME, roots, jwtAuthorities: [two, one] });
    await own.observe({ trustDomain: NAME, roots, jwtAuthorities: [two] });
    await own.observe({ trustDomain: NAME, roots });
    const first = BigInt(START.getTime() / 1000);
    expect(published.map(({ sequence, jwtAuthorities }) => [sequence, jwtAuthorities])).toEqual([
      [first, [one]],
      [first + 1n, [one, two]],
      [first + 2n, [two]],
      [first + 3n, []],
    ]);
    const labels = (refs: readonly { readonly label: string }[]) => refs.map(({ label }) => label.slice(7));
    const history = await store.history(NAME);
    expect(history.map(({ diff }) => [labels(diff.added), labels(diff.removed)]).reverse()).toEqual([
      [expect.arrayContaining(['jwt k1', 'CN=1']), []],
      [['jwt k2'], []],
      [[], ['jwt k1']],
      [[], ['jwt k2']],
    ]);
  });

  it('takes JWT keys without roots from a mesh that never had roots, and from no other', async () => {
    const jwtAuthorities = [createTokenKey().authority];
    const { own, published, log } = await create();
    await own.observe({ trustDomain: NAME, roots: [], jwtAuthorities: [] });
    expect(published).toEqual([]);
    await own.observe({ trustDomain: NAME, roots: [], jwtAuthorities });
    expect(published.map((bundle) => bundle.jwtAuthorities)).toEqual([jwtAuthorities]);
    await own.observe({ trustDomain: NAME, roots: [await root('CN=1')], jwtAuthorities });
    const before = log.records.length;
    await own.observe({ trustDomain: NAME, roots: [], jwtAuthorities });
    expect(published).toHaveLength(2);
    expect(log.records.slice(before).map(({ level }) => level)).toEqual(['error']);
  });

  it('serves what it remembers after a restart, with the same sequence', async () => {
    const store = await openTestStore();
    const before = await create(store);
    await before.own.observe({ trustDomain: NAME, roots: [await root('CN=1')] });
    const after = await create(store);
    await after.own.load();
    expect(after.published.map((bundle) => bundle.sequence)).toEqual(
      before.published.map((bundle) => bundle.sequence),
    );
  });

  it('refuses another trust domain than the one in the config or the store', async () => {
    const { own, store } = await create(undefined, NAME);
    const trust = { trustDomain: parseTrustDomain('b.example'), roots: [await root('CN=1')] };
    await expect(own.observe(trust)).rejects.toMatchObject({ code: 'own-trust-domain-changed' });
    expect(own.refusal).toMatchObject({ code: 'own-trust-domain-changed' });
    await own.observe({ ...trust, trustDomain: NAME });
    expect(own.refusal).toBeUndefined();
    await expect(own.observe(trust)).rejects.toMatchObject({ code: 'own-trust-domain-changed' });
    const other = await create(store, parseTrustDomain('b.example'));
    await expect(other.own.load()).rejects.toMatchObject({ code: 'own-trust-domain-changed' });
  });

  it('publishes without the keys that the operator distrusts, and with them again (TDB-07)', async () => {
    const { own, published, store } = await create();
    const [one, two] = [await root('CN=1'), await root('CN=2')];
    await own.observe({ trustDomain: NAME, roots: [one, two] });
    const key = { trustDomain: NAME, keyFingerprint: two.keyFingerprint, at: START, actor: 'operator:t' };
    await store.distrustKey({ ...key, label: 'two', reason: 'stolen' });
    await own.reconsider();
    await own.observe({ trustDomain: NAME, roots: [two, one] });
    expect(published.map(({ x509Authorities }) => x509Authorities.length)).toEqual([2, 1]);
    expect(own.reported?.x509Authorities).toHaveLength(2);
    await store.trustKeyAgain({ ...key, reason: 'found', decision: 'trusted-again' });
    await own.reconsider();
    const first = BigInt(START.getTime() / 1000);
    expect(published.map(({ sequence }) => sequence)).toEqual([first, first + 1n, first + 2n]);
    expect(own.current?.x509Authorities).toHaveLength(2);
  });

  it('does not publish a distrusted key again after a crash, and reports what is left when it was the last', async () => {
    const store = await openTestStore();
    const before = await create(store);
    const one = await root('CN=1');
    await before.own.observe({ trustDomain: NAME, roots: [one] });
    const key = { trustDomain: NAME, keyFingerprint: one.keyFingerprint, at: START, actor: 'operator:t' };
    await store.distrustKey({ ...key, label: 'one', reason: 'stolen' });
    const after = await create(store);
    await after.own.load();
    expect(after.published.map(({ x509Authorities }) => x509Authorities)).toEqual([[]]);
    await after.own.observe({ trustDomain: NAME, roots: [one] });
    expect(after.published).toHaveLength(1);
  });

  it('publishes a key again when its distrust has ended', async () => {
    const store = await openTestStore();
    const { own, clock, published } = await create(store);
    const [one, two] = [await root('CN=1'), await root('CN=2')];
    const until = new Date(START.getTime() + 1000);
    const key = { trustDomain: NAME, keyFingerprint: two.keyFingerprint, at: START, actor: 'operator:t' };
    await store.distrustKey({ ...key, label: 'two', reason: 'perhaps stolen', until });
    await own.observe({ trustDomain: NAME, roots: [one, two] });
    await clock.advance(1000);
    await own.reconsider();
    expect(published.map(({ x509Authorities }) => x509Authorities.length)).toEqual([1, 2]);
  });

  it('keeps simultaneous changes apart, each with its own number (TDB-07)', async () => {
    const { own, published } = await create();
    const roots = [await root('CN=1'), await root('CN=2')];
    await Promise.all([
      own.observe({ trustDomain: NAME, roots: roots.slice(0, 1) }),
      own.observe({ trustDomain: NAME, roots }),
      own.reconsider(),
    ]);
    expect(published.map(({ x509Authorities }) => x509Authorities.length)).toEqual([1, 2]);
  });
});
