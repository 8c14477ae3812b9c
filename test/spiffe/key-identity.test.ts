import { createHash, generateKeyPairSync } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { findForeignKey } from '../../src/federation/trust/foreign-key.ts';
import { findKey } from '../../src/federation/trust/find-key.ts';
import { withoutKeys } from '../../src/federation/trust/without-keys.ts';
import {
  bundleOf,
  matchPin,
  parseBundle,
  parseCertificate,
  parseTrustDomain,
  pinOfKey,
  verifyX509Path,
  x509AuthorityFromDer,
} from '../../src/spiffe/index.ts';
import { keyFingerprintOf } from '../../src/spiffe/x509/key-identity.ts';
import {
  algorithm,
  oddCertificate,
  soundExtensions,
  soundParts,
  spkiOf,
} from '../../testkit/odd-certificates.ts';
import { derElement } from '../../src/spiffe/base/der-writer.ts';
import { DerReader, Tag } from '../../src/spiffe/base/der.ts';
import { type Made, makeCa, makeLeaf, rebuild } from './chain-maker.ts';
import { TEST_INSTANT } from '../../testkit/test-ca.ts';

const b = parseTrustDomain('b.example');
const own = parseTrustDomain('a.example');
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const plain = spkiOf(rsa.publicKey);

/** The same key, named id-RSASSA-PSS. */
function underPss(spki: Uint8Array): Uint8Array {
  const parts = new DerReader(spki).enter(Tag.sequence);
  parts.element();
  return derElement(Tag.sequence, algorithm('1.2.840.113549.1.1.10'), parts.element(Tag.bitString));
}

const root = (spki: Uint8Array) =>
  x509AuthorityFromDer(
    oddCertificate({ ...soundParts(), spki, extensions: soundExtensions(spki).slice(0, 3) }),
  );
const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const PLAIN = root(plain);
const PSS = root(underPss(plain));

describe('the name of a key', () => {
  it('is the digest of its one encoding, as it always was for keys under rsaEncryption', () => {
    expect(keyFingerprintOf(plain)).toBe(digest(plain));
    expect(PSS.keyFingerprint).toBe(PLAIN.keyFingerprint);
    expect(parseCertificate(PSS.der).keyNames).toEqual([digest(plain), digest(underPss(plain))]);
  });

  it.each(['P-256', 'P-384', 'P-521'])('is the digest of the SubjectPublicKeyInfo for %s', (namedCurve) => {
    const spki = spkiOf(generateKeyPairSync('ec', { namedCurve }).publicKey);
    expect(keyFingerprintOf(spki)).toBe(digest(spki));
  });

  it('is that of the bytes for bytes that are not a key', () => {
    expect(keyFingerprintOf(Uint8Array.of(1, 2))).toBe(digest(Uint8Array.of(1, 2)));
  });
});

describe('a key in two encodings', () => {
  it('stays distrusted, under its own name and under the older digest on record', () => {
    for (const bundle of [bundleOf(b, [PLAIN]), bundleOf(b, [PSS])])
      expect(withoutKeys(bundle, new Set([digest(plain)])).x509Authorities).toEqual([]);
    const before = new Set([digest(underPss(plain))]);
    expect(withoutKeys(bundleOf(b, [PSS]), before).x509Authorities).toEqual([]);
  });

  it('is recognised as one of our keys, and as a key that is distrusted elsewhere', () => {
    const offered = bundleOf(b, [PSS]);
    expect(findForeignKey(undefined, offered, { own: bundleOf(own, [PLAIN]), others: [] })?.code).toBe(
      'own-root-offered',
    );
    const distrusted = [{ trustDomain: own, keyFingerprint: PLAIN.keyFingerprint }];
    expect(findForeignKey(undefined, offered, { own: undefined, others: [], distrusted })?.code).toBe(
      'distrusted-key-offered',
    );
  });

  it('is found by each digest that an operator may have noted, and by its pins', () => {
    for (const word of [digest(plain), digest(underPss(plain)).slice(0, 12)])
      expect(findKey(word, b, [bundleOf(b, [PSS])]).keyFingerprint).toBe(digest(plain));
    for (const name of [digest(plain), digest(underPss(plain))])
      expect(matchPin(bundleOf(b, [PSS]), pinOfKey(name))).toBe('key');
  });

  it('does not count in a bundle of a peer under id-RSASSA-PSS, which Go cannot read', () => {
    const { n, e } = rsa.publicKey.export({ format: 'jwk' });
    const entry = { kty: 'RSA', n, e, use: 'x509-svid', x5c: [Buffer.from(PSS.der).toString('base64')] };
    const { bundle, notes } = parseBundle(b, Buffer.from(JSON.stringify({ keys: [entry] })));
    expect(bundle.x509Authorities).toEqual([]);
    expect(notes[0]?.message).toContain('its RSA key is named id-RSASSA-PSS');
  });
});

describe('verifyX509Path() and a distrusted key in another encoding', () => {
  let good: Made;
  let stolen: Made;
  let crossSigned: Uint8Array;
  let leaf: Made;

  beforeAll(async () => {
    good = await makeCa('CN=Good');
    stolen = await makeCa('CN=Stolen', good, { keys: rsa });
    // Element 6 of the certificate's body is the SubjectPublicKeyInfo.
    crossSigned = rebuild(stolen.der, good.privateKey, (parts) =>
      parts.map((part, index) => (index === 6 ? underPss(plain) : part)),
    );
    leaf = await makeLeaf(stolen, { rsaPss: true });
  });

  it.each([
    ['its own name', digest(plain)],
    ['the digest of the other encoding', digest(underPss(plain))],
  ])('leads no path through it, by %s', (_, name) => {
    const path = (distrustedKeys: ReadonlySet<string>) =>
      verifyX509Path({
        leaf: leaf.der,
        helpers: [crossSigned],
        anchors: [x509AuthorityFromDer(good.der)],
        distrustedKeys,
        now: TEST_INSTANT,
      });
    expect(path(new Set()).path).toHaveLength(3);
    expect(() => path(new Set([name]))).toThrow(expect.objectContaining({ name: 'X509PathError' }));
  });
});
