import { describe, expect, it } from 'vitest';
import { BundleSet, parseBundle, serializeBundle, verifyX509Svid } from '../../src/spiffe/index.ts';
import { createTestCa, TEST_INSTANT } from '../support/test-ca.ts';

describe('verifyX509Svid()', () => {
  it('accepts a leaf below an intermediate (X509-20)', async () => {
    const ca = await createTestCa({ trustDomain: 'a.example' });
    const bundle = parseBundle(ca.trustDomain, serializeBundle(ca.bundle(1n))).bundle;
    const leaf = await (await ca.issueIntermediate()).issueLeaf({ path: '/x' });
    const svid = verifyX509Svid(leaf.chain, new BundleSet([bundle]), {
      now: TEST_INSTANT,
      peerRole: 'client',
    });
    expect(svid.id).toBe('spiffe://a.example/x');
    expect(svid.anchorFingerprint).toBe(ca.authority.fingerprint);
  });
});
