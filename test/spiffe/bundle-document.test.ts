import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  BundleSet,
  bundleOf,
  bundlesEqual,
  contentDigest,
  parseBundle,
  parseTrustDomain,
  serializeBundle,
  type TrustBundle,
  verifyX509Svid,
} from '../../src/spiffe/index.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../testkit/test-ca.ts';
import { attempt, codeOf } from './attempt.ts';
import { makeCa } from './chain-maker.ts';

interface Case {
  name: string;
  why: string;
  clause: string;
  document?: string;
  documentBase64?: string;
  expected: {
    code?: string;
    x509?: number;
    jwt?: number;
    notes?: string[];
    sequence?: string;
    refreshHintSeconds?: number;
  };
}

const fixtures: { cases: Case[] } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../fixtures/bundles/cases.json'), 'utf8'),
);
const td = parseTrustDomain('td.example');
const bytesOf = ({ document = '', documentBase64 }: Case) =>
  documentBase64 === undefined ? Buffer.from(document) : Buffer.from(documentBase64, 'base64');
const text = (bundle: TrustBundle) => Buffer.from(serializeBundle(bundle)).toString();

describe('parseBundle()', () => {
  it.each(
    fixtures.cases.map((one) => [one.clause, one.name, one.why, one] as const),
  )('keeps (%s): %s — %s', (_clause, _name, _why, one) => {
    const outcome = attempt(() => parseBundle(td, bytesOf(one)));
    const seen =
      'error' in outcome
        ? { code: outcome.error.code }
        : {
            x509: outcome.value.bundle.x509Authorities.length,
            jwt: outcome.value.bundle.jwtAuthorities.length,
            notes: outcome.value.notes.map(({ code }) => code),
            ...(outcome.value.bundle.sequence === undefined
              ? {}
              : { sequence: String(outcome.value.bundle.sequence) }),
            ...(outcome.value.bundle.refreshHintSeconds === undefined
              ? {}
              : { refreshHintSeconds: outcome.value.bundle.refreshHintSeconds }),
          };
    expect(seen).toEqual(one.expected);
  });

  it.each(
    'TDB-03 TDB-04 TDB-05 TDB-06 TDB-08 TDB-09 TDB-12 TDB-15 TDB-17 TDB-19 TDB-20 TDB-23 TDB-24 TDB-25 TDB-26 TDB-27 TDB-28 TDB-29 TDB-30 TDB-31 TDB-32 TDB-34 TDB-35 TDB-37 TDB-38 TDB-43 TDB-44'.split(
      ' ',
    ),
  )('has a case of its own among the fixtures for %s', (row) => {
    expect(fixtures.cases.flatMap(({ clause }) => clause.split(', '))).toContain(row);
  });

  it('keeps no secret value, in the bundle, its document or the notes (TDB-37)', () => {
    const grave = fixtures.cases.filter(({ expected }) => expected.notes?.includes('entry-holds-secret'));
    expect(grave.length).toBeGreaterThan(2);
    for (const one of grave) {
      expect(bytesOf(one).toString()).toContain('c2VjcmV0LXZhbHVl');
      const { bundle, notes } = parseBundle(td, bytesOf(one));
      expect(notes).toContainEqual(
        expect.objectContaining({ code: 'entry-holds-secret', index: 0, grave: true }),
      );
      expect(text(bundle) + JSON.stringify(notes)).not.toContain('c2VjcmV0LXZhbHVl');
    }
  });

  it('ignores a symmetric key also where its value is left out (TDB-37)', () => {
    const { notes } = parseBundle(td, Buffer.from('{"keys":[{"kty":"oct","use":"jwt-svid","kid":"s"}]}'));
    expect(notes[0]).toMatchObject({ code: 'entry-holds-secret', grave: true });
  });

  it('reads key members in one spelling only', () => {
    const one = fixtures.cases.find(({ name }) => name === 'JWT only');
    const [entry] = JSON.parse(one?.document ?? '').keys;
    const read = (jwk: object) =>
      parseBundle(td, Buffer.from(JSON.stringify({ keys: [jwk] }))).notes.map(({ code }) => code);
    expect(read(entry)).toEqual([]);
    expect(read({ ...entry, x: `${entry.x}=` })).toEqual(['entry-key-unsupported', 'no-usable-keys']);
    expect(read({ ...entry, crv: 'P-384' })).toEqual(['entry-key-unsupported', 'no-usable-keys']);
    expect(read({ ...entry, crv: 'secp256k1' })).toEqual(['entry-key-unsupported', 'no-usable-keys']);
  });

  it('says what it passed over, in a few words of the document', () => {
    const notes = (entry: unknown) =>
      parseBundle(td, Buffer.from(JSON.stringify({ keys: [entry] }))).notes.map(({ message }) => message)[0];
    expect(notes({ kty: 'RSA' })).toMatch(/^entry 1 is ignored: use is .* not missing$/);
    expect(notes({ kty: 'RSA', use: 5 })).toMatch(/not of another type$/);
    expect(notes({ kty: 'RSA', use: 'x'.repeat(61) })).toMatch(/ not "x{60}"$/);
    expect(notes({ kty: 'AKP', use: 'x509-svid' })).toMatch(/not "AKP"$/);
  });

  it('passes over a certificate that is not text, and one whose key no JWK can hold (TDB-26)', async () => {
    const read = (entry: object) =>
      parseBundle(td, Buffer.from(JSON.stringify({ keys: [entry] }))).notes.map(({ code }) => code);
    for (const x5c of [[5], [null], [{}], [['AA==']], ['']]) {
      expect(read({ kty: 'EC', use: 'x509-svid', x5c })).toEqual([
        'entry-certificate-malformed',
        'no-usable-keys',
      ]);
    }
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { der } = await makeCa('CN=Odd', undefined, { keys: { publicKey, privateKey } });
    const x5c = [Buffer.from(der).toString('base64')];
    expect(read({ kty: 'EC', use: 'x509-svid', x5c })).toEqual(['entry-key-unsupported', 'no-usable-keys']);
  });

  it('takes key IDs of 1 to 1024 characters (TDB-34)', () => {
    const jwk = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
    const read = (kid: string) =>
      parseBundle(td, Buffer.from(JSON.stringify({ keys: [{ ...jwk, use: 'jwt-svid', kid }] })));
    expect(read('k'.repeat(1024)).bundle.jwtAuthorities).toHaveLength(1);
    expect(read('k'.repeat(1025)).notes[0]?.code).toBe('entry-without-key-id');
    expect(read('').notes[0]?.code).toBe('entry-without-key-id');
  });

  it('keeps why a document is not JSON', () => {
    const outcome = attempt(() => parseBundle(td, Buffer.from('{')));
    expect('error' in outcome && outcome.error).toMatchObject({
      code: 'bundle-not-json',
      cause: { code: 'json-syntax' },
    });
  });

  it('bounds what it reads (TDB-44)', () => {
    const document = Buffer.from('{"keys":[null]}');
    expect(codeOf(() => parseBundle(td, document, { maxBytes: 15, maxEntries: 1, maxDepth: 2 }))).toBe(
      'accepted',
    );
    expect(codeOf(() => parseBundle(td, document, { maxBytes: 14, maxEntries: 1, maxDepth: 2 }))).toBe(
      'bundle-too-large',
    );
    expect(codeOf(() => parseBundle(td, document, { maxBytes: 15, maxEntries: 0, maxDepth: 2 }))).toBe(
      'bundle-too-many-entries',
    );
    expect(codeOf(() => parseBundle(td, document, { maxBytes: 15, maxEntries: 1, maxDepth: 1 }))).toBe(
      'bundle-too-large',
    );
  });

  it('throws nothing but coded errors, for any change of one byte of a document', () => {
    const [plain] = fixtures.cases;
    const bytes = bytesOf(plain ?? { name: '', why: '', clause: '', expected: {} });
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, byte) => {
        const changed = Uint8Array.from(bytes);
        changed[at] = byte;
        const outcome = attempt(() => parseBundle(td, changed));
        // Whatever is accepted writes itself so that it reads the same again.
        const bundle = 'value' in outcome ? outcome.value.bundle : bundleOf(td, []);
        expect(bundlesEqual(parseBundle(td, serializeBundle(bundle)).bundle, bundle)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

describe('verification against a parsed bundle', () => {
  let ca: TestCa;
  let other: TestCa;
  beforeAll(async () => {
    ca = await createTestCa({ trustDomain: 'td.example' });
    other = await createTestCa({ trustDomain: 'td.example', subject: 'CN=Other' });
  });

  const verify = (chain: readonly Uint8Array[], document: string) => {
    const source = new BundleSet([parseBundle(td, Buffer.from(document)).bundle]);
    return codeOf(() => verifyX509Svid(chain, source, { now: TEST_INSTANT, peerRole: 'client' }));
  };

  it('refuses a peer accepted a moment ago once keys are empty (TDB-04)', async () => {
    const { chain } = await ca.issueLeaf();
    expect(verify(chain, text(ca.bundle()))).toBe('accepted');
    expect(verify(chain, '{"keys":[]}')).toBe('no-authority');
  });

  it('refuses X.509 peers of a bundle with JWT keys only (TDB-31, TDB-32)', async () => {
    const { chain } = await ca.issueLeaf();
    const entry = JSON.parse(text(ca.bundle())).keys[0];
    expect(verify(chain, JSON.stringify({ keys: [entry] }))).toBe('accepted');
    expect(verify(chain, JSON.stringify({ keys: [{ ...entry, use: 'jwt-svid', kid: 'x' }] }))).toBe(
      'no-authority',
    );
  });

  it('takes no surplus certificate of x5c as an anchor or a helper (TDB-24)', async () => {
    const entry = JSON.parse(text(ca.bundle())).keys[0];
    const document = JSON.stringify({
      keys: [{ ...entry, x5c: [...entry.x5c, Buffer.from(other.root).toString('base64')] }],
    });
    expect(verify((await ca.issueLeaf()).chain, document)).toBe('accepted');
    expect(verify((await other.issueLeaf()).chain, document)).toBe('path-refused');
  });

  it('accepts nobody by a leaf that stands in a bundle (TDB-28)', async () => {
    const { chain, key } = await ca.issueLeaf();
    const jwk = createPublicKey(key).export({ format: 'jwk' });
    const [der = new Uint8Array()] = chain;
    const entry = { ...jwk, use: 'x509-svid', x5c: [Buffer.from(der).toString('base64')] };
    expect(verify(chain, JSON.stringify({ keys: [entry] }))).toBe('no-authority');
  });

  it('trusts the union of the entries (TDB-30), and of a new bundle only its own (TDB-41)', async () => {
    const both = text(bundleOf(td, [ca.authority, other.authority]));
    const [a, b] = [(await ca.issueLeaf()).chain, (await other.issueLeaf()).chain];
    expect([verify(a, both), verify(b, both)]).toEqual(['accepted', 'accepted']);
    expect([verify(a, text(other.bundle())), verify(b, text(other.bundle()))]).toEqual([
      'path-refused',
      'accepted',
    ]);
  });

  it('decides by time which of its roots hold (TDB-29)', async () => {
    const old = await createTestCa({
      trustDomain: 'td.example',
      subject: 'CN=Old',
      notBefore: new Date('2020-01-01T00:00:00Z'),
      notAfter: new Date('2029-01-01T00:00:00Z'),
    });
    const document = text(bundleOf(td, [old.authority, ca.authority]));
    expect(verify((await ca.issueLeaf()).chain, document)).toBe('accepted');
    expect(verify((await old.issueLeaf()).chain, document)).toBe('path-refused');
  });
});

describe('serializeBundle()', () => {
  it('writes a JWK Set with only the members that belong there (TDB-01, TDB-02, TDB-14, TDB-16, TDB-18, TDB-21, TDB-22)', async () => {
    for (const [keyKind, members] of [
      ['P-256', ['kty', 'crv', 'x', 'y']],
      ['P-384', ['kty', 'crv', 'x', 'y']],
      ['RSA-2048', ['kty', 'n', 'e']],
      ['Ed25519', ['kty', 'crv', 'x']],
    ] as const) {
      const ca = await createTestCa({ trustDomain: 'td.example', keyKind });
      const document = JSON.parse(text(ca.bundle(7n)));
      expect(Object.keys(document)).toEqual(['spiffe_sequence', 'keys']);
      const [entry] = document.keys;
      expect(Object.keys(entry)).toEqual([...members, 'use', 'x5c']);
      expect(entry.use).toBe('x509-svid');
      expect(entry.x5c).toEqual([Buffer.from(ca.root).toString('base64')]);
      expect(entry.x5c[0]).toMatch(/^[A-Za-z0-9+/]+=*$/);
      // TDB-22, by an independent reader of JWKs and certificates.
      const stated = createPublicKey({ key: entry, format: 'jwk' });
      expect(stated.equals(new X509Certificate(Buffer.from(entry.x5c[0], 'base64')).publicKey)).toBe(true);
    }
  });

  it('writes keys also when there are none (TDB-02)', () => {
    expect(text(bundleOf(td, []))).toBe('{"keys":[]}\n');
  });

  it('writes a 64-bit sequence digit for digit and a hint as an integer (TDB-08, TDB-10)', () => {
    const bundle = bundleOf(td, [], { sequence: 18446744073709551615n, refreshHintSeconds: 300 });
    expect(text(bundle)).toBe(
      '{"spiffe_sequence":18446744073709551615,"spiffe_refresh_hint":300,"keys":[]}\n',
    );
    expect(parseBundle(td, serializeBundle(bundle)).bundle).toEqual(bundle);
  });

  it('gives a JWT entry a kid and an X.509 entry none (TDB-21, TDB-33)', () => {
    const one = fixtures.cases.find(({ name }) => name === 'X.509 and JWT');
    const { keys } = JSON.parse(text(parseBundle(td, Buffer.from(one?.document ?? '')).bundle));
    expect(keys.map(({ use, kid }: { use: string; kid?: string }) => [use, kid])).toEqual([
      ['x509-svid', undefined],
      ['jwt-svid', 'one'],
      ['jwt-svid', 'two'],
    ]);
  });

  it('writes equal bundles as equal bytes, in whatever order they were built', async () => {
    const cas = await Promise.all(
      [1, 2, 3, 4].map((number) => createTestCa({ trustDomain: 'td.example', subject: `CN=${number}` })),
    );
    const authorities = cas.map(({ authority }) => authority);
    const expected = text(bundleOf(td, authorities, { sequence: 1n }));
    fc.assert(
      fc.property(fc.shuffledSubarray(authorities, { minLength: 4 }), (shuffled) => {
        expect(text(bundleOf(td, shuffled, { sequence: 1n }))).toBe(expected);
      }),
    );
  });

  it('orders keys that share a key ID by what they are (TDB-35)', () => {
    const jwtAuthorities = ['a', 'b', 'c', 'd'].map((x) => ({
      keyId: 'same',
      jwk: { kty: 'OKP', crv: 'Ed25519', x: x.repeat(43) },
    }));
    const expected = text(bundleOf(td, [], { jwtAuthorities }));
    expect(expected).toMatch(/a{43}.*b{43}.*c{43}.*d{43}/);
    fc.assert(
      fc.property(fc.shuffledSubarray(jwtAuthorities, { minLength: 4 }), (shuffled) => {
        expect(text(bundleOf(td, [], { jwtAuthorities: shuffled }))).toBe(expected);
      }),
    );
  });

  it('is undone by parseBundle(), for every document of the fixtures that is accepted', () => {
    for (const one of fixtures.cases.filter(({ expected }) => expected.code === undefined)) {
      const { bundle } = parseBundle(td, bytesOf(one));
      const again = parseBundle(td, serializeBundle(bundle));
      expect(contentDigest(again.bundle)).toBe(contentDigest(bundle));
      expect(again.bundle.sequence).toBe(bundle.sequence);
      expect(again.bundle.refreshHintSeconds).toBe(bundle.refreshHintSeconds);
      expect(again.notes.filter(({ code }) => code !== 'entry-key-id-shared')).toEqual([]);
      expect(text(again.bundle)).toBe(text(bundle));
    }
  });
});
