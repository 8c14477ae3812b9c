import { describe, expect, it } from 'vitest';
import {
  bundleOf,
  BundleSet,
  bundlesEqual,
  contentDigest,
  JwtSvidError,
  parseBundle,
  parseTrustDomain,
  serializeBundle,
  verifyJwtSvid,
} from '../../src/spiffe/index.ts';
import { TEST_INSTANT } from '../../testkit/test-ca.ts';
import { createTokenKey, signToken } from '../../testkit/test-tokens.ts';

const td = parseTrustDomain('a.example');
const key = createTokenKey('rsa-2048');
const parsed = (more: object, jwk: object = key.authority.jwk) => {
  const entry = { ...jwk, use: 'jwt-svid', kid: 'k1', ...more };
  return parseBundle(td, Buffer.from(JSON.stringify({ keys: [entry] })));
};
const verdict = async (more: object, algorithm: 'RS256' | 'PS256') => {
  const token = signToken(key, { alg: algorithm });
  try {
    await verifyJwtSvid(token, new BundleSet([parsed(more).bundle]), {
      now: TEST_INSTANT,
      audiences: ['info.b.example'],
    });
    return 'accepted';
  } catch (error) {
    return error instanceof JwtSvidError ? error.code : String(error);
  }
};

describe('the use of a JWK', () => {
  it('binds a key to the algorithm that it names (RFC 7517 §4.4)', async () => {
    expect([await verdict({}, 'RS256'), await verdict({}, 'PS256')]).toEqual(['accepted', 'accepted']);
    expect([await verdict({ alg: 'RS256' }, 'RS256'), await verdict({ alg: 'RS256' }, 'PS256')]).toEqual([
      'accepted',
      'key-unfit',
    ]);
    expect(await verdict({ alg: 'RSA-OAEP' }, 'RS256')).toBe('key-unfit');
  });

  it('keeps the algorithm in the document and in the digest, which stays for keys without one', () => {
    const [bound, free] = [parsed({ alg: 'RS256' }).bundle, parsed({}).bundle];
    expect(bound.jwtAuthorities).toMatchObject([{ algorithm: 'RS256' }]);
    expect(parseBundle(td, serializeBundle(bound)).bundle).toEqual(bound);
    expect(bundlesEqual(bound, free)).toBe(false);
    expect(contentDigest(free)).toBe(contentDigest(bundleOf(td, [], { jwtAuthorities: [key.authority] })));
  });

  it.each([
    ['key_ops without verify', { key_ops: ['encrypt'] }, 'key_ops'],
    ['key_ops that are no list', { key_ops: 'verify' }, 'key_ops'],
    ['alg that is no text', { alg: 5 }, 'alg'],
  ])('leaves out a key with %s', (_, more, why) => {
    const { bundle, notes } = parsed(more);
    expect(bundle.jwtAuthorities).toEqual([]);
    expect(notes[0]?.code).toBe('entry-key-unsupported');
    expect(notes[0]?.message).toContain(why);
  });

  it('accepts key_ops with verify', async () => {
    expect(await verdict({ key_ops: ['verify'] }, 'RS256')).toBe('accepted');
  });

  it('counts one key under one key ID once, for any algorithms', () => {
    const entry = (alg: string) => ({ ...key.authority.jwk, use: 'jwt-svid', kid: 'k1', alg });
    const document = JSON.stringify({ keys: [entry('RS256'), entry('PS256')] });
    const { bundle, notes } = parseBundle(td, Buffer.from(document));
    expect(bundle.jwtAuthorities).toMatchObject([{ algorithm: 'RS256' }]);
    expect(notes).toMatchObject([{ code: 'entry-repeated', index: 1 }]);
  });

  it('leaves out an RSA key that Go cannot hold, in a bundle of a peer', () => {
    const e = Buffer.from('0100000001', 'hex').toString('base64url');
    const { bundle, notes } = parsed({ e });
    expect(bundle.jwtAuthorities).toEqual([]);
    expect(notes[0]?.message).toContain('exponent has more than 31 bits');
  });

  it.each([
    ['a point for which any party can sign', Buffer.alloc(32), 'any party can sign'],
    ['no point of the curve', Buffer.alloc(32, 0xff), 'not a point of the curve'],
  ])('leaves out an Ed25519 key that is %s, in a bundle of a peer', (_, point, why) => {
    const entry = { kty: 'OKP', crv: 'Ed25519', x: point.toString('base64url'), use: 'jwt-svid', kid: 'k1' };
    const { bundle, notes } = parseBundle(td, Buffer.from(JSON.stringify({ keys: [entry] })));
    expect(bundle.jwtAuthorities).toEqual([]);
    expect(notes[0]?.code).toBe('entry-key-unsupported');
    expect(notes[0]?.message).toContain(why);
  });
});
