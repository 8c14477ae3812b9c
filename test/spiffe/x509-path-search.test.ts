import { beforeAll, describe, expect, it } from 'vitest';
import { verifyX509Path, x509AuthorityFromDer } from '../../src/spiffe/index.ts';
import { Tag } from '../../src/spiffe/base/der.ts';
import { derElement, derObjectIdentifier } from '../../src/spiffe/base/der-writer.ts';
import { TEST_INSTANT } from '../../testkit/test-ca.ts';
import { judge, type Made, type MakeOptions, makeCa, makeLeaf, unknownExtension } from './chain-maker.ts';

let root: Made;
let middle: Made;
let leaf: Made;
beforeAll(async () => {
  root = await makeCa('CN=Root');
  middle = await makeCa('CN=Middle', root);
  leaf = await makeLeaf(middle);
});

/** Names are refused at the certificate with the name, everything else at the broken rule. */
const blamed = (code: string) => (code === 'name-not-permitted' ? 'leaf 0' : 'helper 0');

describe('verifyX509Path() finds paths', () => {
  it('returns the path leaf first, its anchor, and the earliest end of validity (X509-26)', async () => {
    const short = await makeCa('CN=Short', root, { notAfter: new Date('2030-02-01T00:00:00Z') });
    const below = await makeLeaf(short, { notAfter: new Date('2030-06-01T00:00:00Z') });
    const verified = verifyX509Path({
      leaf: below.der,
      helpers: [short.der],
      anchors: [root.der],
      now: TEST_INSTANT,
    });
    expect(verified.path).toEqual([below.der, short.der, root.der]);
    expect(verified.anchor).toBe(root.der);
    expect(verified.notAfter).toEqual(new Date('2030-02-01T00:00:00Z'));
  });

  it('ends at an anchor that is not self-signed, whose issuer is absent (X509-24)', () => {
    expect(judge(leaf.der, [], [middle.der])).toBe('accepted over 2');
    expect(judge(leaf.der, [middle.der], [middle.der])).toBe('accepted over 2');
  });

  it('uses no sent certificate as an anchor (X509-25)', () => {
    expect(judge(leaf.der, [middle.der, root.der], [root.der])).toBe('accepted over 3');
    expect(judge(leaf.der, [middle.der, root.der], [])).toBe('issuer-not-found of helper 1');
    expect(judge(leaf.der, [middle.der], [])).toBe('issuer-not-found of helper 0');
    expect(judge(leaf.der, [], [root.der])).toBe('issuer-not-found of leaf 0');
  });

  it('accepts sent certificates in any order, and ignores surplus and unreadable ones (X509-38)', async () => {
    const lower = await makeCa('CN=Lower', middle);
    const low = await makeLeaf(lower);
    const stranger = await makeCa('CN=Stranger');
    for (const helpers of [
      [lower.der, middle.der],
      [middle.der, lower.der],
      [root.der, middle.der, stranger.der, lower.der, leaf.der, Uint8Array.of(0x30, 0x00), middle.der],
    ]) {
      expect(judge(low.der, helpers, [root.der])).toBe('accepted over 4');
    }
  });

  it.each([
    false,
    true,
  ])('tries every root of one subject, with key identifiers: %s, in either order (X509-29)', async (withKeyIdentifiers) => {
    const older = await makeCa('CN=Same', undefined, { withKeyIdentifiers });
    const newer = await makeCa('CN=Same', undefined, { withKeyIdentifiers });
    for (const issuer of [older, newer]) {
      const { der } = await makeLeaf(issuer, { withKeyIdentifiers });
      expect(judge(der, [], [older.der, newer.der])).toBe('accepted over 2');
      expect(judge(der, [], [newer.der, older.der])).toBe('accepted over 2');
      const stranger = issuer === older ? newer : older;
      expect(judge(der, [], [stranger.der])).toBe('signature-invalid of leaf 0');
    }
  });

  it('tries the issuer that the key identifiers name first (X509-29)', async () => {
    const [one, two, three] = [await makeCa('CN=Same'), await makeCa('CN=Same'), await makeCa('CN=Same')];
    const limits = { maxSignatureChecks: 1 };
    for (const issuer of [one, two, three]) {
      const { der } = await makeLeaf(issuer);
      expect(judge(der, [], [one.der, two.der, three.der], { limits })).toBe('accepted over 2');
    }
  });

  it('lets key identifiers only order candidates: misleading ones refuse nothing (X509-29)', async () => {
    const misled = await makeLeaf(root, {
      extensions: [
        {
          oid: '2.5.29.35',
          critical: false,
          value: derElement(Tag.sequence, derElement(0x80, Buffer.from('00'.repeat(20), 'hex'))),
        },
      ],
    });
    expect(judge(misled.der, [], [root.der])).toBe('accepted over 2');
  });

  it('skips an expired cross-certificate and finds the good path behind it (X509-29)', async () => {
    const otherRoot = await makeCa('CN=Other root');
    const expired = await makeCa('CN=Middle', otherRoot, {
      keys: middle,
      notAfter: new Date('2030-01-01T01:00:00Z'),
    });
    for (const helpers of [
      [expired.der, middle.der],
      [middle.der, expired.der],
    ]) {
      expect(judge(leaf.der, helpers, [otherRoot.der, root.der])).toBe('accepted over 3');
      expect(judge(leaf.der, helpers, [root.der])).toBe('accepted over 3');
    }
    expect(judge(leaf.der, [expired.der, middle.der], [otherRoot.der])).toBe('expired of helper 0');
  });

  it('skips the expired twin of a renewed root, which has its name, key and key identifier (X509-29)', async () => {
    const old = await makeCa('CN=Root', undefined, {
      keys: root,
      notAfter: new Date('2030-01-01T01:00:00Z'),
    });
    for (const anchors of [
      [old.der, root.der],
      [root.der, old.der],
    ]) {
      expect(judge(leaf.der, [middle.der], anchors)).toBe('accepted over 3');
    }
    expect(judge(leaf.der, [middle.der, root.der], [old.der])).toBe('expired of anchor 0');
  });

  it('continues after every candidate that breaks a rule, also the first or the one named by its key identifier (X509-29)', async () => {
    const broken: [string, MakeOptions][] = [
      ['not-yet-valid', { notBefore: new Date('2030-12-01T00:00:00Z') }],
      ['issuer-not-a-ca', { isCa: false, keyUsage: [] }],
      ['issuer-may-not-sign', { keyUsage: ['cRLSign'] }],
      ['unknown-critical-extension', { extensions: [unknownExtension(true)] }],
      ['name-not-permitted', { nameConstraints: { permittedUris: ['other.example'] } }],
      ['purpose-refused', { extendedKeyUsage: ['serverAuth'] }],
    ];
    const more = { purpose: 'client' } as const;
    for (const [code, options] of broken) {
      const worse = await makeCa('CN=Middle', root, { keys: middle, ...options });
      expect(judge(leaf.der, [worse.der], [root.der], more)).toBe(`${code} of ${blamed(code)}`);
      expect(judge(leaf.der, [worse.der, middle.der], [root.der], more)).toBe('accepted over 3');
      expect(judge(leaf.der, [middle.der, worse.der], [root.der], more)).toBe('accepted over 3');
      expect(judge(leaf.der, [middle.der], [worse.der, root.der], more)).toBe('accepted over 3');
    }
    const lower = await makeCa('CN=Lower', middle);
    const short = await makeCa('CN=Middle', root, { keys: middle, pathLength: 0 });
    const { der } = await makeLeaf(lower);
    expect(judge(der, [lower.der, short.der], [root.der])).toBe('path-length-exceeded of helper 1');
    expect(judge(der, [lower.der, short.der, middle.der], [root.der])).toBe('accepted over 4');
  });

  it('ends on CAs that certified each other, with and without an anchor beyond (X509-37)', async () => {
    const a = await makeCa('CN=A');
    const b = await makeCa('CN=B');
    const aByB = await makeCa('CN=A', b, { keys: a });
    const bByA = await makeCa('CN=B', a, { keys: b });
    const below = await makeLeaf(a);
    expect(judge(below.der, [aByB.der, bByA.der], [])).toBe('issuer-not-found of helper 1');
    expect(judge(below.der, [aByB.der, bByA.der, a.der, b.der], [b.der])).toBe('accepted over 3');
    const bByRoot = await makeCa('CN=B', root, { keys: b });
    expect(judge(below.der, [aByB.der, bByA.der, bByRoot.der], [root.der])).toBe('accepted over 4');
  });

  it('chains names that differ in string type, case and spacing only (RFC 5280 §7.1)', async () => {
    const name = (tag: number, text: string) =>
      derElement(
        Tag.sequence,
        derElement(
          Tag.set,
          derElement(Tag.sequence, derObjectIdentifier('2.5.4.3'), derElement(tag, Buffer.from(text))),
        ),
      );
    const ca = await makeCa('', undefined, { subjectDer: name(Tag.utf8String, 'Root  One') });
    const same = await makeLeaf(ca, { issuerDer: name(Tag.printableString, ' ROOT one ') });
    const other = await makeLeaf(ca, { issuerDer: name(Tag.printableString, 'RootOne') });
    expect(judge(same.der, [], [ca.der])).toBe('accepted over 2');
    expect(judge(other.der, [], [ca.der])).toBe('issuer-not-found of leaf 0');
  });

  it('accepts authorities of a bundle as anchors (TDB-30)', () => {
    const authority = x509AuthorityFromDer(root.der);
    const input = { leaf: leaf.der, helpers: [middle.der], now: TEST_INSTANT };
    expect(verifyX509Path({ ...input, anchors: [authority] }).anchor).toBe(authority.der);
    expect(() => verifyX509Path({ ...input, anchors: [] })).toThrow(
      expect.objectContaining({ code: 'issuer-not-found', subject: 'CN=Middle' }),
    );
  });
});

describe('verifyX509Path() tries candidates in an order (X509-29)', () => {
  /** Only one signature check is allowed, so only the first candidate counts. */
  const once = { limits: { maxSignatureChecks: 1 } };
  const commonName = (tag: number, text: string) =>
    derElement(
      Tag.sequence,
      derElement(
        Tag.set,
        derElement(Tag.sequence, derObjectIdentifier('2.5.4.3'), derElement(tag, Buffer.from(text))),
      ),
    );

  it('first those that the key identifiers name, then those without one, last those with another', async () => {
    const named = await makeCa('CN=Same');
    const other = await makeCa('CN=Same');
    const silent = await makeCa('CN=Same', undefined, { withKeyIdentifiers: false });
    const ofNamed = await makeLeaf(named);
    expect(judge(ofNamed.der, [], [other.der, silent.der, named.der], once)).toBe('accepted over 2');
    // The authority key identifier is that of an absent certificate.
    const namelessTwin = await makeCa('CN=Same', undefined, { keys: named, withKeyIdentifiers: false });
    expect(judge(ofNamed.der, [], [other.der, namelessTwin.der], once)).toBe('accepted over 2');
    // Without an authority key identifier the order is that of the bundle.
    const { der } = await makeLeaf(named, { withKeyIdentifiers: false });
    expect(judge(der, [], [named.der, silent.der], once)).toBe('accepted over 2');
    expect(judge(der, [], [silent.der, named.der], once)).toBe('signature-limit of leaf 0');
  });

  it('first those with the exact bytes of the name, then those with the same name in other bytes', async () => {
    const upper = await makeCa('', undefined, { subjectDer: commonName(Tag.printableString, 'ROOT ONE') });
    const lower = await makeCa('', undefined, { subjectDer: commonName(Tag.utf8String, 'root one') });
    const ofLower = await makeLeaf(lower, { withKeyIdentifiers: false });
    expect(judge(ofLower.der, [], [upper.der, lower.der], once)).toBe('accepted over 2');
    const third = { issuerDer: commonName(Tag.utf8String, 'Root One') };
    for (const issuer of [upper, lower]) {
      const folded = await makeLeaf(issuer, third);
      expect(judge(folded.der, [], [upper.der, lower.der], once)).toBe('accepted over 2');
      expect(judge(folded.der, [], [lower.der, upper.der], once)).toBe('accepted over 2');
    }
  });

  it('anchors before sent certificates', async () => {
    const sent = await makeCa('CN=Same', undefined, { withKeyIdentifiers: false });
    const known = await makeCa('CN=Same', undefined, { withKeyIdentifiers: false });
    const below = await makeLeaf(known, { withKeyIdentifiers: false });
    expect(judge(below.der, [sent.der], [known.der], once)).toBe('accepted over 2');
  });

  it('and reports the first where several broke a rule', async () => {
    const expired = await makeCa('CN=Middle', root, {
      keys: middle,
      notAfter: new Date('2030-01-01T01:00:00Z'),
    });
    const bare = await makeCa('CN=Middle', root, { keys: middle, isCa: false });
    expect(judge(leaf.der, [expired.der, bare.der], [root.der])).toBe('expired of helper 0');
    expect(judge(leaf.der, [bare.der, expired.der], [root.der])).toBe('issuer-not-a-ca of helper 0');
    // Before those with another key, and those whose issuer is absent.
    const stranger = await makeCa('CN=Middle', root);
    const stray = await makeCa('CN=Middle', await makeCa('CN=Nowhere'), { keys: middle });
    expect(judge(leaf.der, [stranger.der, stray.der, bare.der], [root.der])).toBe(
      'issuer-not-a-ca of helper 2',
    );
    expect(judge(leaf.der, [stranger.der, stray.der], [root.der])).toBe('issuer-not-found of helper 1');
  });
});
