import { beforeAll, describe, expect, it } from 'vitest';
import { createSpiffeVerifier } from '../../src/mtls/index.ts';
import { BundleSet, bundleOf, x509AuthorityFromDer } from '../../src/spiffe/index.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import type { TestLeaf } from './support.ts';

let ca: TestCa;
let other: TestCa;
let leaf: TestLeaf;
beforeAll(async () => {
  ca = await createTestCa({ trustDomain: 'a.example' });
  other = await createTestCa({ trustDomain: 'a.example', subject: 'CN=Other' });
  leaf = await ca.issueLeaf();
});

function setUp(cacheEntries?: number) {
  const bundles = new BundleSet([ca.bundle(1n)]);
  const clock = new TestClock(TEST_INSTANT);
  const verifier = createSpiffeVerifier({
    bundles,
    clock,
    ...(cacheEntries === undefined ? {} : { cacheEntries }),
  });
  return { bundles, clock, verifier };
}

describe('createSpiffeVerifier()', () => {
  it('remembers an accepted peer while the bundle content is the same', () => {
    const { verifier, bundles } = setUp();
    const first = verifier.verify(leaf.chain, 'client');
    expect(verifier.verify([...leaf.chain], 'client')).toBe(first);
    bundles.set(bundleOf(ca.trustDomain, [x509AuthorityFromDer(ca.root)], { sequence: 2n }));
    expect(verifier.verify(leaf.chain, 'client')).toBe(first);
    bundles.set(bundleOf(ca.trustDomain, [ca.authority, other.authority]));
    const later = verifier.verify(leaf.chain, 'client');
    expect(later).not.toBe(first);
    expect(later.bundleDigest).not.toBe(first.bundleDigest);
  });

  it('forgets at once when the root or the bundle is removed (FED-42)', () => {
    const { verifier, bundles } = setUp();
    verifier.verify(leaf.chain, 'client');
    bundles.set(other.bundle());
    expect(() => verifier.verify(leaf.chain, 'client')).toThrow(
      expect.objectContaining({ code: 'path-refused' }),
    );
    bundles.delete(ca.trustDomain);
    expect(() => verifier.verify(leaf.chain, 'client')).toThrow(
      expect.objectContaining({ code: 'no-bundle' }),
    );
  });

  it('forgets at once when a key on the path is distrusted, although the bundle is the same', async () => {
    const intermediate = await ca.issueIntermediate();
    const { chain } = await intermediate.issueLeaf();
    const bundles = new BundleSet([ca.bundle()]);
    let distrusted: ReadonlySet<string> | undefined;
    const verifier = createSpiffeVerifier({
      bundles: {
        bundleFor: (trustDomain) => bundles.bundleFor(trustDomain),
        distrustedKeys: () => distrusted,
      },
      clock: new TestClock(TEST_INSTANT),
    });
    const first = verifier.verify(chain, 'client');
    expect(verifier.verify(chain, 'client')).toBe(first);
    distrusted = new Set([intermediate.authority.keyFingerprint]);
    expect(() => verifier.verify(chain, 'client')).toThrow(expect.objectContaining({ code: 'path-refused' }));
    distrusted = undefined;
    expect(verifier.verify(chain, 'client').id).toBe(first.id);
  });

  it('never remembers a refusal', () => {
    const { verifier, bundles } = setUp();
    bundles.delete(ca.trustDomain);
    expect(() => verifier.verify(leaf.chain, 'client')).toThrow(
      expect.objectContaining({ code: 'no-bundle' }),
    );
    bundles.set(ca.bundle());
    expect(verifier.verify(leaf.chain, 'client').id).toBe(leaf.id);
  });

  it('accepts no peer after the end of its path (X509-27)', async () => {
    const { verifier, clock } = setUp();
    const { notAfter } = verifier.verify(leaf.chain, 'client');
    await clock.advance(notAfter.getTime() - TEST_INSTANT.getTime());
    expect(verifier.verify(leaf.chain, 'client').id).toBe(leaf.id);
    await clock.advance(1000);
    expect(() => verifier.verify(leaf.chain, 'client')).toThrow(
      expect.objectContaining({ code: 'path-refused' }),
    );
  });

  it('does not accept a peer in one role because of the other (X509-13)', async () => {
    const { verifier } = setUp();
    const client = await ca.issueLeaf({ extendedKeyUsage: ['clientAuth'] });
    expect(verifier.verify(client.chain, 'client').id).toBe(client.id);
    expect(() => verifier.verify(client.chain, 'server')).toThrow(
      expect.objectContaining({ code: 'extended-key-usage' }),
    );
  });

  it('keeps a bounded number of peers, and does not keep a chain with surplus', async () => {
    const { verifier } = setUp(1);
    const first = verifier.verify(leaf.chain, 'client');
    verifier.verify((await ca.issueLeaf()).chain, 'client');
    expect(verifier.verify(leaf.chain, 'client')).not.toBe(first);
    const padded = [...leaf.chain, new Uint8Array(17 * 1024)];
    const accepted = setUp().verifier;
    expect(accepted.verify(padded, 'client')).not.toBe(accepted.verify(padded, 'client'));
    const none = setUp(0).verifier;
    expect(none.verify(leaf.chain, 'client')).not.toBe(none.verify(leaf.chain, 'client'));
  });
});
