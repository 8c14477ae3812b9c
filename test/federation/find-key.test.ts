import { describe, expect, it } from 'vitest';
import { findKey } from '../../src/federation/trust/find-key.ts';
import { withoutKeys } from '../../src/federation/trust/without-keys.ts';
import { parseTrustDomain } from '../../src/spiffe/index.ts';
import { createTokenKey } from '../../testkit/test-tokens.ts';
import { madeUpBundle, madeUpRoot } from './made-up-bundle.ts';

const peer = parseTrustDomain('peer.example');
const root = madeUpRoot('one');
const renewed = madeUpRoot('one renewed', { key: 'one' });
const other = madeUpRoot('other');
const jwt = createTokenKey('P-256', 'jwt key/7').authority;
const bundle = madeUpBundle(peer, [root, renewed, other], { jwtAuthorities: [jwt] });
const find = (word: string, bundles = [bundle], distrusted: Parameters<typeof findKey>[3] = []) =>
  findKey(word, peer, bundles, distrusted);

describe('findKey()', () => {
  it('names a root by the beginning of its certificate or of its public key, with or without sha256:', () => {
    for (const word of [
      root.fingerprint,
      root.fingerprint.slice(0, 6),
      root.fingerprint.slice(0, 9).toUpperCase(),
      root.keyFingerprint.slice(0, 12),
      `sha256:${root.keyFingerprint}`,
      root.fingerprint.replaceAll(/(..)(?!$)/g, '$1:'),
    ])
      expect(find(word).keyFingerprint).toBe(root.keyFingerprint);
    expect(find(root.fingerprint).label).toBe(`${root.fingerprint.slice(0, 6)} CN=one`);
  });

  it('takes two certificates over one key for one key', () => {
    expect(find(renewed.fingerprint).keyFingerprint).toBe(root.keyFingerprint);
    expect(find(root.keyFingerprint.slice(0, 8)).keyFingerprint).toBe(root.keyFingerprint);
  });

  it('names a JWT key by its key ID or by its public key', () => {
    const found = find('jwt key/7');
    expect(found.label).toContain('jwt jwt key/7');
    expect(find(found.keyFingerprint.slice(0, 6))).toEqual(found);
  });

  it('takes sha256: and digits for those digits, also where a peer gave another key such an ID', () => {
    const id = `sha256:${root.keyFingerprint}`;
    const mimic = createTokenKey('P-256', id).authority;
    const hostile = madeUpBundle(peer, [root], { jwtAuthorities: [mimic] });
    expect(find(id, [hostile]).keyFingerprint).toBe(root.keyFingerprint);
    const alone = madeUpBundle(peer, [other], { jwtAuthorities: [mimic] });
    expect(find(id, [alone]).label).toContain('jwt');
  });

  it.each([
    ['fewer than six digits', root.fingerprint.slice(0, 5)],
    ['no hex', 'zzzzzz'],
    ['an unknown beginning', 'ffffffffff'],
    ['nothing', ''],
    ['more digits than a fingerprint has', `${'a'.repeat(65)}`],
  ])('refuses %s', (_what, word) => {
    expect(() => find(word)).toThrow(expect.objectContaining({ code: 'key-not-found' }));
  });

  it('refuses a beginning that two keys share, and names them', () => {
    const [one, two] = [`abcdef${'1'.repeat(58)}`, `abcdef${'2'.repeat(58)}`];
    const twins = madeUpBundle(peer, [
      { ...root, keyFingerprint: one },
      { ...other, keyFingerprint: two },
    ]);
    expect(find(one, [twins]).keyFingerprint).toBe(one);
    expect(() => find('abcdef', [twins])).toThrow(
      expect.objectContaining({
        code: 'key-ambiguous',
        message: expect.stringMatching(/2 keys .*CN=one.*CN=other/),
      }),
    );
  });

  it('takes a whole fingerprint of a key that nobody holds at its word, and finds what is distrusted though not held', () => {
    const unknown = 'c'.repeat(64);
    expect(find(unknown)).toEqual({ keyFingerprint: unknown, label: 'cccccc (not held)' });
    const gone = { keyFingerprint: 'd'.repeat(64), label: 'eeeeee CN=gone' };
    expect(find('dddddd', [], [gone])).toEqual(gone);
    expect(find('eeeeee', [], [gone])).toEqual(gone);
  });
});

describe('withoutKeys()', () => {
  it('leaves out every root and JWT key over a distrusted public key, and keeps the rest, number and hint', () => {
    const numbered = { ...bundle, sequence: 7n, refreshHintSeconds: 60 };
    const rest = withoutKeys(numbered, new Set([root.keyFingerprint, find('jwt key/7').keyFingerprint]));
    expect(rest).toEqual({ ...numbered, x509Authorities: [other], jwtAuthorities: [] });
  });

  it('gives the very bundle back where none of its keys is meant, and the same answer for the same question', () => {
    expect(withoutKeys(bundle, new Set(['0'.repeat(64)]))).toBe(bundle);
    const keys = new Set([other.keyFingerprint]);
    expect(withoutKeys(bundle, keys)).toBe(withoutKeys(bundle, keys));
    expect(withoutKeys(bundle, new Set([root.keyFingerprint])).x509Authorities).toEqual([other]);
  });
});
