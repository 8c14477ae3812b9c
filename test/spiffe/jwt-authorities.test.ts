import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bundleOf,
  bundlesEqual,
  contentDigest,
  diffBundles,
  type JwtAuthority,
  parseBundle,
  parseBundleMap,
  parseTrustDomain,
  serializeBundle,
  serializeBundleMap,
  type TrustBundle,
} from '../../src/spiffe/index.ts';
import { createTokenKey, type TokenKeyKind } from '../../testkit/test-tokens.ts';

const td = parseTrustDomain('td.example');
const kinds: readonly TokenKeyKind[] = ['rsa-1024', 'rsa-2048', 'P-256', 'P-384', 'P-521', 'ed25519'];
/** One key of each kind; which key ID it has is a property's to choose. */
const jwks = kinds.map((kind) => createTokenKey(kind).authority.jwk);
const keyId = fc.oneof(
  fc.constantFrom('k1', 'k2', '__proto__', 'ключ', '"\\', '\u0000\u001f', '\u{1f511}'),
  fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' }),
);
const authorities = fc.uniqueArray(
  fc.record({ keyId, jwk: fc.constantFrom(...jwks) }) satisfies fc.Arbitrary<JwtAuthority>,
  { maxLength: 12, selector: (authority) => JSON.stringify(authority) },
);
const holding = (jwtAuthorities: readonly JwtAuthority[], sequence = 2n ** 64n - 1n) =>
  bundleOf(td, [], { jwtAuthorities, sequence, refreshHintSeconds: 300 });
const asSet = (list: readonly JwtAuthority[]) => list.map((each) => JSON.stringify(each)).sort();
const read = (bundle: TrustBundle) => parseBundle(td, serializeBundle(bundle));

describe('JWT authorities of a bundle', () => {
  it('read back from a document and from a map as they were written (TDB-33, TDB-22, MAP-01)', () => {
    fc.assert(
      fc.property(authorities, (list) => {
        const bundle = holding(list);
        const { bundle: again, notes } = read(bundle);
        expect(notes.filter(({ code }) => code !== 'entry-key-id-shared')).toEqual([]);
        expect(asSet(again.jwtAuthorities)).toEqual(asSet(list));
        expect(bundlesEqual(again, bundle)).toBe(true);
        expect(Buffer.from(serializeBundle(again))).toEqual(Buffer.from(serializeBundle(bundle)));
        const inMap = parseBundleMap(serializeBundleMap([bundle])).get(td)?.bundle;
        expect(inMap && bundlesEqual(inMap, bundle)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it('are a set: their order says nothing, each of them counts (TDB-35, TDB-41)', () => {
    fc.assert(
      fc.property(authorities, authorities, (before, after) => {
        expect(contentDigest(holding(before.toReversed()))).toBe(contentDigest(holding(before)));
        expect(Buffer.from(serializeBundle(holding(before.toReversed())))).toEqual(
          Buffer.from(serializeBundle(holding(before))),
        );
        const had = new Set(asSet(before));
        const has = new Set(asSet(after));
        const { addedJwt, removedJwt, keptJwt } = diffBundles(holding(before), holding(after));
        expect(asSet(addedJwt)).toEqual([...has].filter((each) => !had.has(each)));
        expect(asSet(removedJwt)).toEqual([...had].filter((each) => !has.has(each)));
        expect(asSet(keptJwt)).toEqual([...has].filter((each) => had.has(each)));
        const same = addedJwt.length + removedJwt.length === 0;
        expect(bundlesEqual(holding(before, 1n), holding(after, 2n))).toBe(same);
      }),
      { numRuns: 200 },
    );
  });

  it('are written with use, kid and the public members alone (TDB-16, TDB-18, TDB-33, TDB-37)', () => {
    for (const jwk of jwks) {
      const text = Buffer.from(serializeBundle(holding([{ keyId: 'k', jwk }]))).toString();
      const { keys } = JSON.parse(text) as { keys: Record<string, string>[] };
      expect(keys).toEqual([{ ...jwk, use: 'jwt-svid', kid: 'k' }]);
    }
    // What was put into an authority by mistake does not come out.
    const [jwk = {}] = jwks;
    const secret = { keyId: 'k', jwk: { ...jwk, d: 'c2VjcmV0LXZhbHVl', alg: 'RS256' } };
    const text = Buffer.from(serializeBundle(holding([secret]))).toString();
    expect(text).not.toMatch(/c2VjcmV0LXZhbHVl|"d"|"alg"/);
  });

  it('are left out with a note where they are not keys, and the others stay (TDB-34, TDB-37)', () => {
    const [good] = (
      JSON.parse(Buffer.from(serializeBundle(holding([{ keyId: 'k', jwk: jwks[2] ?? {} }]))).toString()) as {
        keys: Record<string, unknown>[];
      }
    ).keys;
    const notesOn = (entry: object) => {
      const { bundle, notes } = parseBundle(td, Buffer.from(JSON.stringify({ keys: [entry, good] })));
      expect(bundle.jwtAuthorities.map(({ keyId: id }) => id)).toContain('k');
      return [bundle.jwtAuthorities.length, ...notes.map(({ code }) => code)];
    };
    const entry = (change: object) => ({ ...good, kid: 'k2', ...change });
    expect(notesOn(entry({}))).toEqual([2]);
    // Whatever else an entry says is not looked at (TDB-19).
    expect(notesOn(entry({ alg: 'ES256', key_ops: ['verify'], x5c: ['AAAA'], foo: 1 }))).toEqual([2]);
    expect(notesOn(entry({ kid: undefined }))).toEqual([1, 'entry-without-key-id']);
    expect(notesOn(entry({ kid: '' }))).toEqual([1, 'entry-without-key-id']);
    expect(notesOn(entry({ kid: 7 }))).toEqual([1, 'entry-without-key-id']);
    expect(notesOn(entry({ kid: 'k'.repeat(1024) }))).toEqual([2]);
    expect(notesOn(entry({ kid: 'k'.repeat(1025) }))).toEqual([1, 'entry-without-key-id']);
    expect(notesOn(entry({ y: undefined }))).toEqual([1, 'entry-key-unsupported']);
    expect(notesOn(entry({ crv: 'P-384' }))).toEqual([1, 'entry-key-unsupported']);
    // A point that is not on the curve is no key.
    expect(notesOn(entry({ y: good?.['x'] }))).toEqual([1, 'entry-key-unsupported']);
    expect(notesOn(entry({ d: 'AAAA' }))).toEqual([1, 'entry-holds-secret']);
    expect(notesOn(entry({ kid: 'k' }))).toEqual([1, 'entry-repeated']);
  });
});
