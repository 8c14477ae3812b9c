import { describe, expect, it } from 'vitest';
import { Tag } from '../../src/spiffe/base/der.ts';
import { derElement, derObjectIdentifier } from '../../src/spiffe/base/der-writer.ts';
import { verifyX509Path, X509PathError } from '../../src/spiffe/index.ts';
import { TEST_INSTANT } from '../../testkit/test-ca.ts';
import { judge, makeCa, makeLeaf } from './chain-maker.ts';

describe('verifyX509Path() and its messages', () => {
  it('names a sent certificate that could not be read when the issuer is missing', async () => {
    const root = await makeCa('CN=Root');
    const middle = await makeCa('CN=Middle', root);
    const leaf = await makeLeaf(middle);
    const broken = Uint8Array.from(middle.der.subarray(0, -1));
    const message = (helpers: Uint8Array[]) => {
      try {
        verifyX509Path({ leaf: leaf.der, helpers, anchors: [root.der], now: TEST_INSTANT });
      } catch (error) {
        if (error instanceof X509PathError) return `${error.code}: ${error.message}`;
      }
      return 'accepted';
    };
    expect(message([broken])).toMatch(/^issuer-not-found: .*; helper 0 could not be read: /);
    expect(message([root.der, broken])).toContain('helper 1 could not be read');
    expect(message([])).not.toContain('could not be read');
    expect(message([broken, middle.der])).toBe('accepted');
  });

  it.each([
    ['a CPS pointer', '1.3.6.1.5.5.7.2.1', true, 'accepted over 2'],
    ['a user notice', '1.3.6.1.5.5.7.2.2', true, 'accepted over 2'],
    ['an unknown qualifier', '1.3.6.1.4.1.99.7', true, 'unknown-critical-extension of leaf 0'],
    ['an unknown qualifier that is not critical', '1.3.6.1.4.1.99.7', false, 'accepted over 2'],
  ])('with certificate policies with %s (RFC 5280 §4.2.1.4): $3', async (_, oid, critical, expected) => {
    const root = await makeCa('CN=Root');
    const qualifier = derElement(
      Tag.sequence,
      derObjectIdentifier(oid),
      derElement(Tag.ia5String, Buffer.from('http://x')),
    );
    const policy = derElement(
      Tag.sequence,
      derObjectIdentifier('1.3.6.1.4.1.99.1'),
      derElement(Tag.sequence, qualifier),
    );
    const value = derElement(Tag.sequence, policy);
    const leaf = await makeLeaf(root, { extensions: [{ oid: '2.5.29.32', critical, value }] });
    expect(judge(leaf.der, [], [root.der])).toBe(expected);
  });
});
