import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  BundleSet,
  bundleOf,
  bundlesEqual,
  contentDigest,
  diffBundles,
  type JwtAuthority,
  parseTrustDomain,
  type X509Authority,
} from '../../src/spiffe/index.ts';
import { createTestCa } from '../../testkit/test-ca.ts';

const td = parseTrustDomain('a.example');
const jwt = (keyId: string, x = 'AAAA'): JwtAuthority => ({ keyId, jwk: { kty: 'OKP', crv: 'Ed25519', x } });
let roots: X509Authority[];
beforeAll(async () => {
  const cas = await Promise.all(
    [1, 2, 3].map((number) => createTestCa({ trustDomain: td, subject: `CN=${number}` })),
  );
  roots = cas.map(({ authority }) => authority).sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1));
});

describe('contentDigest()', () => {
  it('is the SHA-256 of the lines that its comment describes', () => {
    const bundle = bundleOf(td, roots.toReversed(), { jwtAuthorities: [jwt('b'), jwt('a')], sequence: 5n });
    const lines = [
      'spiffe-bundle-content-v1',
      'a.example',
      ...roots.map(({ der }) => `x509 ${createHash('sha256').update(der).digest('hex')}`),
      'jwt "a" {"kty":"OKP","crv":"Ed25519","x":"AAAA"}',
      'jwt "b" {"kty":"OKP","crv":"Ed25519","x":"AAAA"}',
    ];
    expect(contentDigest(bundle)).toBe(
      createHash('sha256')
        .update(`${lines.join('\n')}\n`)
        .digest('hex'),
    );
  });

  it('changes with the trust domain and with any authority', () => {
    const bundles = [
      bundleOf(td, roots),
      bundleOf(parseTrustDomain('b.example'), roots),
      bundleOf(td, roots.slice(1)),
      bundleOf(td, roots, { jwtAuthorities: [jwt('a')] }),
      bundleOf(td, roots, { jwtAuthorities: [jwt('b')] }),
      bundleOf(td, roots, { jwtAuthorities: [jwt('a', 'BBBB')] }),
      bundleOf(td, []),
    ];
    expect(new Set(bundles.map(contentDigest)).size).toBe(bundles.length);
  });
});

describe('bundlesEqual()', () => {
  it('compares authorities as sets, without sequence and hint', () => {
    const [a, b, c] = roots;
    if (!a || !b || !c) throw new Error('three roots were made');
    expect(
      bundlesEqual(
        bundleOf(td, [a, b, c], { sequence: 1n }),
        bundleOf(td, [c, a, b, a], { refreshHintSeconds: 9 }),
      ),
    ).toBe(true);
    expect(bundlesEqual(bundleOf(td, [a, b]), bundleOf(td, [a, c]))).toBe(false);
  });
});

describe('diffBundles()', () => {
  it('lists what is added, removed and kept', () => {
    const [a, b, c] = roots;
    if (!a || !b || !c) throw new Error('three roots were made');
    const before = bundleOf(td, [a, b], { jwtAuthorities: [jwt('x'), jwt('y')] });
    const after = bundleOf(td, [c, b], { jwtAuthorities: [jwt('y'), jwt('x', 'BBBB')] });
    expect(diffBundles(before, after)).toEqual({
      addedX509: [c],
      removedX509: [a],
      keptX509: [b],
      addedJwt: [jwt('x', 'BBBB')],
      removedJwt: [jwt('x')],
      keptJwt: [jwt('y')],
    });
    expect(diffBundles(undefined, after)).toMatchObject({ addedX509: [b, c], removedX509: [], keptX509: [] });
  });
});

describe('BundleSet', () => {
  it('holds one bundle for each trust domain and replaces it as a whole (TDB-41, FED-54)', () => {
    const other = bundleOf(parseTrustDomain('0.example'), roots);
    const set = new BundleSet([bundleOf(td, roots.slice(0, 1)), other]);
    set.set(bundleOf(td, roots.slice(1)));
    expect(set.bundleFor(td)?.x509Authorities).toEqual(roots.slice(1));
    expect(set.list().map(({ trustDomain }) => trustDomain)).toEqual(['0.example', 'a.example']);
    expect([set.delete(td), set.delete(td), set.bundleFor(td)]).toEqual([true, false, undefined]);
  });
});
