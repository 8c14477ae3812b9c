import { beforeAll, describe, expect, it } from 'vitest';
import { type VerifyParts, verifyChain, verifyToken } from '../../src/agent/admin/verify-svids.ts';
import { findKey } from '../../src/federation/trust/find-key.ts';
import { withoutKeys } from '../../src/federation/index.ts';
import { BundleSet, bundleOf, parseTrustDomain, type TrustBundle } from '../../src/spiffe/index.ts';
import { type DistrustedKey } from '../../src/store/index.ts';
import { added, relationship } from '../store/sample-bundles.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { createTokenKey, plainClaims, signToken } from '../../testkit/test-tokens.ts';

const NAME = parseTrustDomain('b.example');
let one: TestCa;
let two: TestCa;
let whole: TrustBundle;
const jwtKey = createTokenKey('P-256', 'k1');

beforeAll(async () => {
  one = await createTestCa({ trustDomain: NAME, subject: 'CN=One' });
  two = await createTestCa({ trustDomain: NAME, subject: 'CN=Two' });
  whole = bundleOf(NAME, [one.authority, two.authority], { jwtAuthorities: [jwtKey.authority] });
});

/** What an agent has that holds the whole bundle and lets only this part of it count. */
async function partsFor(
  counting: TrustBundle | undefined,
  keys: readonly string[] = [],
): Promise<VerifyParts> {
  const store = await openTestStore();
  await store.addRelationship(
    { ...relationship(), trustDomain: NAME },
    { bundle: whole, receivedAt: TEST_INSTANT, verdict: 'bootstrap', origin: 'file' },
    { ...added(), trustDomain: NAME },
  );
  const distrusted: DistrustedKey[] = keys.map((keyFingerprint) => ({
    trustDomain: NAME,
    keyFingerprint,
    label: 'aaaaaa CN=Two',
    at: TEST_INSTANT,
    actor: 'operator:ann',
    reason: 'stolen',
  }));
  return {
    bundles: new BundleSet(counting ? [counting] : []),
    held: new BundleSet([whole]),
    distrusted: () => distrusted,
    store,
    clock: new TestClock(TEST_INSTANT),
  };
}

describe('verifyChain() of what a strict verifier would refuse', () => {
  it('warns of it, and refuses it with the strict switch (X509-11)', async () => {
    const parts = await partsFor(whole);
    const { certPem } = await one.issueLeaf({ keyUsage: [] });
    expect(await verifyChain(parts, certPem, 'client')).toMatchObject({
      accepted: true,
      warnings: ['key-usage-missing'],
    });
    const strict = { ...parts, strictKeyUsage: true };
    expect(await verifyChain(strict, certPem, 'client')).toMatchObject({
      accepted: false,
      code: 'key-usage',
    });
    const sound = await verifyChain(strict, (await one.issueLeaf()).certPem, 'client');
    expect(sound).toMatchObject({ accepted: true, warnings: [] });
  });
});

describe('verifyChain() of what would be accepted otherwise', () => {
  it('names the distrusted key and the reason, and still names the version of what is accepted', async () => {
    const keys = [two.authority.keyFingerprint];
    const parts = await partsFor(withoutKeys(whole, new Set(keys)), keys);
    const refused = await verifyChain(parts, (await two.issueLeaf()).certPem, 'client');
    expect(refused).toMatchObject({ accepted: false, code: 'key-distrusted' });
    expect(refused.message).toContain('aaaaaa CN=Two');
    expect(refused.message).toContain('stolen');
    expect(await verifyChain(parts, (await one.issueLeaf()).certPem, 'client')).toMatchObject({
      accepted: true,
      bundle_version: 1,
    });
  });

  it('reports a stale peer where that is the only reason', async () => {
    const parts = await partsFor(undefined);
    const chain = (await one.issueLeaf()).certPem;
    expect(await verifyChain(parts, chain, 'client')).toMatchObject({ accepted: false, code: 'peer-stale' });
  });

  it('reports a stale peer also for a chain that the held bundle refuses: the peer must not be added again', async () => {
    const stranger = await createTestCa({ trustDomain: NAME, subject: 'CN=Stranger' });
    const answer = await verifyChain(
      await partsFor(undefined),
      (await stranger.issueLeaf()).certPem,
      'client',
    );
    expect(answer).toMatchObject({ accepted: false, code: 'peer-stale' });
    expect(answer.message).toContain('would refuse this too');
  });

  it('keeps the first reason where the held bundle refuses it too', async () => {
    const parts = await partsFor(withoutKeys(whole, new Set([two.authority.keyFingerprint])));
    const stranger = await createTestCa({ trustDomain: NAME, subject: 'CN=Stranger' });
    const chain = (await stranger.issueLeaf()).certPem;
    expect(await verifyChain(parts, chain, 'client')).toMatchObject({ code: 'path-refused' });
  });
});

describe('verifyToken() of what would be accepted otherwise', () => {
  it('names the distrusted JWT key', async () => {
    const token = signToken(jwtKey, { claims: plainClaims(`spiffe://${NAME}/w`) });
    const audiences = ['info.b.example'];
    expect(await verifyToken(await partsFor(whole), token, audiences)).toMatchObject({ accepted: true });
    const key = findKey('k1', NAME, [whole]).keyFingerprint;
    const parts = await partsFor(withoutKeys(whole, new Set([key])), [key]);
    expect(await verifyToken(parts, token, audiences)).toMatchObject({
      accepted: false,
      code: 'key-distrusted',
      claimed_id: `spiffe://${NAME}/w`,
    });
  });
});
