import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { generateKeyPair, type PathInput, verifyX509Path, X509PathError } from '../../src/spiffe/index.ts';
import { DerReader, Tag } from '../../src/spiffe/base/der.ts';
import { derElement, derObjectIdentifier } from '../../src/spiffe/base/der-writer.ts';
import { TEST_INSTANT } from '../../testkit/test-ca.ts';
import { judge, type Made, makeCa, makeLeaf, rebuild, unknownExtension } from './chain-maker.ts';

let root: Made;
let middle: Made;
let leaf: Made;
beforeAll(async () => {
  root = await makeCa('CN=Root');
  middle = await makeCa('CN=Middle', root);
  leaf = await makeLeaf(middle);
});

describe('verifyX509Path() judges each certificate', () => {
  it('refuses a changed certificate at each place (X509-26)', async () => {
    expect(judge(leaf.der, [middle.der], [root.der])).toBe('accepted over 3');
    const spoil = (der: Uint8Array) => Uint8Array.from(der).fill((der.at(-1) ?? 0) ^ 1, der.length - 1);
    expect(judge(spoil(leaf.der), [middle.der], [root.der])).toBe('signature-invalid of leaf 0');
    expect(judge(leaf.der, [spoil(middle.der)], [root.der])).toBe('signature-invalid of helper 0');
    // The signature of an anchor does not matter.
    expect(judge(leaf.der, [middle.der], [spoil(root.der)])).toBe('accepted over 3');
  });

  it('accepts no chain with a changed byte, at any place (X509-26)', () => {
    const any = fc.tuple(
      fc.nat(1),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      fc.integer({ min: 1, max: 255 }),
    );
    fc.assert(
      fc.property(any, ([which, where, flip]) => {
        const chain = [Uint8Array.from(leaf.der), Uint8Array.from(middle.der)];
        const changed = chain[which] ?? leaf.der;
        const at = Math.floor(where * changed.length);
        changed[at] = (changed[at] ?? 0) ^ flip;
        expect(judge(chain[0] ?? leaf.der, chain.slice(1), [root.der])).not.toMatch(/^accepted/);
      }),
      { numRuns: 1500 },
    );
  });

  it('does not check revocation: leaving the bundle is the revocation (X509-35)', async () => {
    const points = (critical: boolean) => ({ extensions: [unknownExtension(critical, '2.5.29.31')] });
    expect(judge((await makeLeaf(root, points(false))).der, [], [root.der])).toBe('accepted over 2');
    expect(judge((await makeLeaf(root, points(true))).der, [], [root.der])).toBe(
      'unknown-critical-extension of leaf 0',
    );
    expect(judge((await makeLeaf(root, points(false))).der, [], [])).toBe('issuer-not-found of leaf 0');
  });

  it('treats validity as inclusive at both ends, at one second, at each place (X509-27, X509-28)', async () => {
    const notBefore = new Date('2030-03-01T00:00:00Z');
    const notAfter = new Date('2030-04-01T00:00:00Z');
    const at = (ms: number, base: Date) => ({ now: new Date(base.getTime() + ms) });
    const shortRoot = await makeCa('CN=Short root', undefined, { notBefore, notAfter });
    const shortMiddle = await makeCa('CN=Short middle', root, { notBefore, notAfter });
    const places: [string, Made, Made[], Made][] = [
      ['leaf 0', await makeLeaf(middle, { notBefore, notAfter }), [middle], root],
      ['helper 0', await makeLeaf(shortMiddle), [shortMiddle], root],
      ['anchor 0', await makeLeaf(shortRoot), [], shortRoot],
    ];
    for (const [place, end, helpers, anchor] of places) {
      const run = (more: object) =>
        judge(
          end.der,
          helpers.map(({ der }) => der),
          [anchor.der],
          more,
        );
      expect(run(at(0, notBefore))).toMatch(/^accepted/);
      expect(run(at(-1, notBefore))).toBe(`not-yet-valid of ${place}`);
      expect(run(at(999, notAfter))).toMatch(/^accepted/);
      expect(run(at(1000, notAfter))).toBe(`expired of ${place}`);
      expect(run({ ...at(31_000, notAfter), leewaySeconds: 30 })).toBe(`expired of ${place}`);
      expect(run({ ...at(30_000, notAfter), leewaySeconds: 30 })).toMatch(/^accepted/);
      expect(run({ ...at(-30_000, notBefore), leewaySeconds: 30 })).toMatch(/^accepted/);
    }
  });

  it('requires cA and keyCertSign of every issuer, the anchor too (X509-26)', async () => {
    const below = async (options: object) => {
      const ca = await makeCa('CN=Middle', root, options);
      return judge((await makeLeaf(ca)).der, [ca.der], [root.der]);
    };
    expect(await below({})).toBe('accepted over 3');
    expect(await below({ keyUsage: [] })).toBe('accepted over 3');
    expect(await below({ keyUsage: ['digitalSignature', 'keyCertSign', 'cRLSign'] })).toBe('accepted over 3');
    expect(await below({ isCa: false })).toBe('issuer-not-a-ca of helper 0');
    expect(await below({ keyUsage: ['cRLSign', 'digitalSignature'] })).toBe(
      'issuer-may-not-sign of helper 0',
    );
    const bare = await makeCa('CN=Root', undefined, { isCa: false });
    expect(judge((await makeLeaf(bare)).der, [], [bare.der])).toBe('issuer-not-a-ca of anchor 0');
    const mute = await makeCa('CN=Root', undefined, { keyUsage: ['cRLSign'] });
    expect(judge((await makeLeaf(mute)).der, [], [mute.der])).toBe('issuer-may-not-sign of anchor 0');
  });

  it('does not treat a certificate without basicConstraints as a CA (X509-26)', async () => {
    const ca = await makeCa('CN=Middle', root);
    const without = rebuild(ca.der, root.privateKey, (parts) => parts.slice(0, -1));
    expect(judge((await makeLeaf(ca)).der, [ca.der], [root.der])).toBe('accepted over 3');
    expect(judge((await makeLeaf(ca)).der, [without], [root.der])).toBe('issuer-not-a-ca of helper 0');
  });

  it('counts intermediates against pathLenConstraint, of the anchor too (X509-26)', async () => {
    const zero = await makeCa('CN=Zero', undefined, { pathLength: 0 });
    const one = await makeCa('CN=One', undefined, { pathLength: 1 });
    for (const [anchor, expected] of [
      [zero, 'path-length-exceeded of anchor 0'],
      [one, 'accepted over 3'],
    ] as const) {
      const ca = await makeCa('CN=Below', anchor);
      expect(judge((await makeLeaf(anchor)).der, [], [anchor.der])).toBe('accepted over 2');
      expect(judge((await makeLeaf(ca)).der, [ca.der], [anchor.der])).toBe(expected);
      const lower = await makeCa('CN=Lower', ca);
      expect(judge((await makeLeaf(lower)).der, [ca.der, lower.der], [anchor.der])).toBe(
        'path-length-exceeded of anchor 0',
      );
    }
    const strictMiddle = await makeCa('CN=Strict', root, { pathLength: 0 });
    const lower = await makeCa('CN=Lower', strictMiddle);
    expect(judge((await makeLeaf(lower)).der, [lower.der, strictMiddle.der], [root.der])).toBe(
      'path-length-exceeded of helper 1',
    );
  });

  it('does not count self-issued intermediates, nor the leaf (X509-26)', async () => {
    const zero = await makeCa('CN=Zero', undefined, { pathLength: 0 });
    const renewed = await makeCa('CN=Zero', zero);
    expect(judge((await makeLeaf(renewed)).der, [renewed.der], [zero.der])).toBe('accepted over 3');
    const last = await makeCa('CN=Last', zero);
    expect(judge(last.der, [], [zero.der])).toBe('accepted over 2');
  });

  it('refuses critical extensions it does not know, at each level (X509-26)', async () => {
    for (const critical of [false, true]) {
      const extensions = [unknownExtension(critical)];
      const expected = (place: string, length: number) =>
        critical ? `unknown-critical-extension of ${place}` : `accepted over ${length}`;
      expect(judge((await makeLeaf(middle, { extensions })).der, [middle.der], [root.der])).toBe(
        expected('leaf 0', 3),
      );
      const ca = await makeCa('CN=Middle', root, { extensions });
      expect(judge((await makeLeaf(ca)).der, [ca.der], [root.der])).toBe(expected('helper 0', 3));
      const anchor = await makeCa('CN=Root', undefined, { extensions });
      expect(judge((await makeLeaf(anchor)).der, [], [anchor.der])).toBe(expected('anchor 0', 2));
    }
  });

  it('requires the purpose in every certificate that states purposes (X509-13, X509-34)', async () => {
    const codeSigning = [
      {
        oid: '2.5.29.37',
        critical: false,
        value: derElement(Tag.sequence, derObjectIdentifier('1.3.6.1.5.5.7.3.3')),
      },
    ];
    const any = [
      {
        oid: '2.5.29.37',
        critical: true,
        value: derElement(Tag.sequence, derObjectIdentifier('2.5.29.37.0')),
      },
    ];
    const below = async (options: object, purpose?: 'client' | 'server') => {
      const ca = await makeCa('CN=Middle', root, options);
      return judge((await makeLeaf(ca)).der, [ca.der], [root.der], purpose ? { purpose } : {});
    };
    expect(await below({ extensions: codeSigning })).toBe('accepted over 3');
    expect(await below({ extensions: codeSigning }, 'server')).toBe('purpose-refused of helper 0');
    expect(await below({ extensions: any }, 'server')).toBe('accepted over 3');
    expect(await below({ extendedKeyUsage: ['clientAuth'] }, 'client')).toBe('accepted over 3');
    expect(await below({ extendedKeyUsage: ['serverAuth'] }, 'server')).toBe('accepted over 3');
    expect(await below({ extendedKeyUsage: ['clientAuth'] }, 'server')).toBe('purpose-refused of helper 0');
    const client = await makeLeaf(middle, { extendedKeyUsage: ['clientAuth'] });
    expect(judge(client.der, [middle.der], [root.der], { purpose: 'client' })).toBe('accepted over 3');
    expect(judge(client.der, [middle.der], [root.der], { purpose: 'server' })).toBe(
      'purpose-refused of leaf 0',
    );
  });

  it('refuses an invalid instant and an invalid leeway (X509-27)', () => {
    const run = (more: object) => () => judge(leaf.der, [middle.der], [root.der], more);
    expect(run({ leewaySeconds: 0 })()).toBe('accepted over 3');
    expect(run({ now: new Date(Number.NaN) })).toThrow(RangeError);
    for (const leewaySeconds of [Number.NaN, -1, Number.POSITIVE_INFINITY]) {
      expect(run({ leewaySeconds })).toThrow(RangeError);
    }
  });

  it('reports the code, the certificate and its subject, and the obstacle', () => {
    const refused = (input: Partial<PathInput>) => {
      try {
        verifyX509Path({
          leaf: leaf.der,
          helpers: [middle.der],
          anchors: [root.der],
          now: TEST_INSTANT,
          ...input,
        });
      } catch (error) {
        if (error instanceof X509PathError) return error;
      }
      throw new Error('the path was accepted');
    };
    const late = new Date('2031-02-01T00:00:00Z');
    const expired = refused({ now: late });
    expect([expired.code, expired.certificate?.role, expired.subject]).toEqual(['expired', 'leaf', '']);
    expect(expired.message).toMatch(/2031-01-01T00:00:00.000Z for the leaf$/);
    const unreachable = refused({ anchors: [] });
    expect(unreachable.certificate).toEqual({
      role: 'helper',
      index: 0,
      subject: 'CN=Middle',
      fingerprint: createHash('sha256').update(middle.der).digest('hex'),
    });
    expect(unreachable.subject).toBe('CN=Middle');
    expect(unreachable.message).toMatch(/"CN=Root" of helper 0 \(CN=Middle\)$/);
    const unreadable = refused({ leaf: Uint8Array.of(0x30, 0x00) });
    expect(unreadable).toMatchObject({
      code: 'certificate-malformed',
      cause: { code: 'certificate-malformed' },
      certificate: {
        role: 'leaf',
        index: 0,
        subject: '',
        fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    });
    const crowded = refused({ limits: { maxCertificates: 1 } });
    expect([crowded.code, crowded.certificate, crowded.subject]).toEqual([
      'too-many-certificates',
      undefined,
      undefined,
    ]);
  });

  it('refuses what RFC 5280 reserves for CAs or requires of names (§4.2.1.6, §4.2.1.9)', async () => {
    const signing = await makeLeaf(root, { keyUsage: ['digitalSignature', 'keyCertSign'] });
    expect(judge((await makeLeaf(root)).der, [], [root.der])).toBe('accepted over 2');
    expect(judge(signing.der, [], [root.der])).toBe('profile-violated of leaf 0');
    expect(judge(middle.der, [], [root.der])).toBe('accepted over 2');
    expect(judge((await makeLeaf(root, { keyUsage: [] })).der, [], [root.der])).toBe('accepted over 2');
    const named = { subject: 'CN=Named', uriSans: [] };
    expect(judge((await makeLeaf(root, named)).der, [], [root.der])).toBe('accepted over 2');
    const nameless = await makeLeaf(root, { uriSans: [] });
    expect(judge(nameless.der, [], [root.der])).toBe('profile-violated of leaf 0');
    const casual = await makeLeaf(root, {
      uriSans: [],
      extensions: [
        {
          oid: '2.5.29.17',
          critical: false,
          value: derElement(Tag.sequence, derElement(0x86, Buffer.from('spiffe://td.example/w'))),
        },
      ],
    });
    expect(judge(casual.der, [], [root.der])).toBe('profile-violated of leaf 0');
  });

  it('refuses keys and signature algorithms whose parameters are malformed, with the cause (X509-36)', async () => {
    const below = await makeLeaf(root);
    const wrongParameters = derElement(
      Tag.sequence,
      derObjectIdentifier('1.2.840.10045.4.3.2'),
      derElement(Tag.null),
    );
    const der = rebuild(below.der, root.privateKey, (parts) => parts, { algorithm: wrongParameters });
    expect(() => verifyX509Path({ leaf: der, helpers: [], anchors: [root.der], now: TEST_INSTANT })).toThrow(
      expect.objectContaining({
        code: 'signature-algorithm-refused',
        certificate: expect.objectContaining({ role: 'leaf' }),
        cause: expect.objectContaining({ code: 'der-malformed' }),
      }),
    );
    // The key is the seventh part of what is signed.
    const compressed = (made: Made, key: Made) =>
      rebuild(made.der, key.privateKey, (parts) => {
        const spki = made.publicKey.export({ type: 'spki', format: 'der' });
        const point = Uint8Array.of(0, 2, ...spki.subarray(27, 59));
        const algorithm = new DerReader(spki).enter(Tag.sequence).element();
        const key = derElement(Tag.sequence, algorithm, derElement(Tag.bitString, point));
        return parts.map((part, index) => (index === 6 ? key : part));
      });
    expect(judge(compressed(below, root), [], [root.der])).toBe('key-refused of leaf 0');
    expect(judge(below.der, [], [compressed(root, root)])).toBe('key-refused of anchor 0');
    expect(() =>
      verifyX509Path({ leaf: compressed(below, root), helpers: [], anchors: [root.der], now: TEST_INSTANT }),
    ).toThrow(expect.objectContaining({ cause: expect.objectContaining({ code: 'der-malformed' }) }));
  });

  it('refuses a leaf that cannot be read', () => {
    expect(judge(Uint8Array.of(0x30, 0x00), [], [root.der])).toBe('certificate-malformed of leaf 0');
  });
});

describe('verifyX509Path() bounds its work (X509-37)', () => {
  it('refuses more certificates and bytes than allowed', () => {
    const helpers = Array.from({ length: 15 }, () => middle.der);
    expect(judge(leaf.der, helpers, [root.der])).toBe('accepted over 3');
    expect(judge(leaf.der, [...helpers, middle.der], [root.der])).toBe('too-many-certificates');
    const maxBytes = leaf.der.length + middle.der.length;
    expect(judge(leaf.der, [middle.der], [root.der], { limits: { maxBytes } })).toBe('accepted over 3');
    expect(judge(leaf.der, [middle.der], [root.der], { limits: { maxBytes: maxBytes - 1 } })).toBe(
      'too-many-bytes',
    );
  });

  it('refuses paths longer than allowed', async () => {
    const chain = [root];
    for (let depth = 1; depth <= 8; depth += 1) chain.unshift(await makeCa(`CN=Depth ${depth}`, chain[0]));
    const ders = chain.map(({ der }) => der);
    const [lowest = root, nextLowest = root] = chain;
    expect(judge((await makeLeaf(nextLowest)).der, ders.slice(1, -1), [root.der])).toBe('accepted over 9');
    expect(judge((await makeLeaf(lowest)).der, ders.slice(0, -1), [root.der])).toBe(
      'path-too-long of anchor 0',
    );
  });

  it('ends a search through a hundred CAs that certified each other', async () => {
    const keys = await generateKeyPair('P-256');
    // All bear one name, so that each is a candidate issuer of every other.
    const clique = await Promise.all(
      Array.from({ length: 100 }, () => makeCa('CN=Same', undefined, { withKeyIdentifiers: false })),
    );
    const stray = await makeCa('CN=Same', undefined, { keys, withKeyIdentifiers: false });
    const below = await makeLeaf(stray, { withKeyIdentifiers: false });
    const ders = clique.map(({ der }) => der);
    expect(judge(below.der, [], [...ders.slice(0, 50), stray.der])).toBe('accepted over 2');
    expect(judge(below.der, [], ders)).toBe('signature-limit of leaf 0');
    expect(judge(below.der, [], ders, { limits: { maxSignatureChecks: 100 } })).toBe(
      'signature-invalid of leaf 0',
    );
  });

  it('ends a search whose signatures are all valid', async () => {
    // Every CA certified every other: the number of paths grows with the factorial, the number of
    // signatures does not.
    const cas = await Promise.all([1, 2, 3, 4].map((number) => makeCa(`CN=${number}`)));
    const crossed: Uint8Array[] = [];
    for (const subject of cas.keys()) {
      for (const issuer of cas.values()) {
        if (issuer !== cas[subject])
          crossed.push((await makeCa(`CN=${subject + 1}`, issuer, { keys: cas[subject] ?? issuer })).der);
      }
    }
    const below = await makeLeaf(cas[0] ?? root);
    expect(judge(below.der, crossed, [])).toMatch(/^issuer-not-found/);
    expect(judge(below.der, crossed, [], { limits: { maxCandidates: 20 } })).toMatch(
      /^search-limit of helper/,
    );
  });

  it('counts name comparisons and ends at too many', async () => {
    const many = Array.from({ length: 300 }, (_, number) => `h${number}.example`);
    const ca = await makeCa('CN=Middle', root, { nameConstraints: { excludedDns: many } });
    const dnsSans = Array.from({ length: 300 }, (_, number) => `n${number}.test`);
    const { der } = await makeLeaf(ca, { dnsSans });
    const limits = { maxNameComparisons: 100_000 };
    expect(judge(der, [ca.der], [root.der], { limits })).toBe('accepted over 3');
    expect(judge(der, [ca.der], [root.der])).toBe('name-comparison-limit of leaf 0');
  });
});
