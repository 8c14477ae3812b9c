import { describe, expect, it } from 'vitest';
import { hasUnusableEntries, whyUnusable } from '../../src/federation/trust/unusable-document.ts';
import { parseBundle, parseTrustDomain } from '../../src/spiffe/index.ts';

const ec = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y', kid: 'k1', alg: 'ES256' };
const read = (...keys: unknown[]) =>
  parseBundle(parseTrustDomain('peer.example'), Buffer.from(JSON.stringify({ keys })));

describe('whyUnusable()', () => {
  it.each([
    ['without use', [ec]],
    ['with use sig', [{ ...ec, use: 'sig' }]],
    ['of two kinds', [{ ...ec, use: 'sig' }, ec, { ...ec, use: 'enc' }]],
  ])('takes keys %s for the OIDC keys, and says so', (_what, keys) => {
    expect(whyUnusable(read(...keys))).toEqual({
      code: 'no-spiffe-keys',
      message: expect.stringMatching(
        /^no entry of this document is for SPIFFE SVIDs.*is this the OIDC keys URL\?/,
      ),
    });
  });

  it.each([
    ['kty is missing', [{ use: 'x509-svid', x5c: ['AA=='] }], 'kty is RSA, EC or OKP, not missing'],
    ['the certificate is malformed', [{ ...ec, use: 'x509-svid', x5c: ['AA=='] }], 'entry 1 is ignored'],
    ['one is for SPIFFE, and broken', [ec, { use: 'jwt-svid' }], 'entry 1 is ignored'],
  ])('names the first entry where %s', (_what, keys, why) => {
    expect(whyUnusable(read(...keys))).toEqual({
      code: 'no-usable-entries',
      message: expect.stringContaining(why),
    });
  });

  it('has nothing to say of an empty bundle, which is a revocation (TDB-04), nor of one with a key', () => {
    expect(whyUnusable(read())).toBeUndefined();
    const key = { kty: 'OKP', crv: 'Ed25519', x: `${'a'.repeat(42)}A`, use: 'jwt-svid', kid: 'k' };
    expect(whyUnusable(read(key, ec))).toBeUndefined();
    expect([hasUnusableEntries(read()), hasUnusableEntries(read(key, ec))]).toEqual([false, true]);
    // The same key twice, and one key ID for two keys: they are used all the same.
    expect(hasUnusableEntries(read(key, key))).toBe(false);
  });
});
