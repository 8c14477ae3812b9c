import { constants, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { CONSTRUCTED, CONTEXT, Tag } from '../../src/spiffe/base/der.ts';
import { derElement, derInteger, derObjectIdentifier } from '../../src/spiffe/base/der-writer.ts';
import type { PublicKeyShape } from '../../src/spiffe/x509/public-key.ts';
import { keyRefusal, signatureSchemeOf } from '../../src/spiffe/x509/signature.ts';
import { codeOf } from './attempt.ts';
import { judge, makeCa, makeLeaf, rebuild } from './chain-maker.ts';

const SHA256 = '2.16.840.1.101.3.4.2.1';
const SHA384 = '2.16.840.1.101.3.4.2.2';
const SHA1 = '1.3.14.3.2.26';
const MGF1 = '1.2.840.113549.1.1.8';
const algorithm = (oid: string, ...parameters: Uint8Array[]) =>
  derElement(Tag.sequence, derObjectIdentifier(oid), ...parameters);
const explicit = (tag: number, ...parts: Uint8Array[]) => derElement(CONTEXT | CONSTRUCTED | tag, ...parts);

/** The verdict on RSASSA-PSS with these parameters. */
function pss(...parts: Uint8Array[]): unknown {
  return signatureSchemeOf({ oid: '1.2.840.113549.1.1.10', parameters: derElement(Tag.sequence, ...parts) });
}
const hash = (oid: string) => explicit(0, algorithm(oid));
const mask = (oid: string, generator = MGF1) => explicit(1, algorithm(generator, algorithm(oid)));
const salt = (length: number) => explicit(2, derInteger(length));

describe('signatureSchemeOf() (X509-36)', () => {
  it('reads RSASSA-PSS parameters, whose defaults are SHA-1', () => {
    expect(pss(hash(SHA256), mask(SHA256), salt(32))).toEqual({
      kind: 'rsa-pss',
      hash: 'sha256',
      saltLength: 32,
    });
    expect(pss(hash(SHA384), mask(SHA384))).toEqual({ kind: 'rsa-pss', hash: 'sha384', saltLength: 20 });
    expect(pss(hash(SHA256), mask(SHA256), salt(32), explicit(3, derInteger(1)))).toMatchObject({
      kind: 'rsa-pss',
    });
    expect(pss()).toBeUndefined();
    expect(pss(hash(SHA256))).toBeUndefined();
    expect(pss(mask(SHA256))).toBeUndefined();
    expect(pss(hash(SHA1), mask(SHA1))).toBeUndefined();
    expect(pss(hash(SHA256), mask(SHA1))).toBeUndefined();
    expect(pss(hash(SHA256), mask(SHA384))).toBeUndefined();
    expect(pss(hash(SHA256), mask(SHA256, '1.2.3'))).toBeUndefined();
    expect(codeOf(() => pss(hash(SHA256), mask(SHA256), salt(32), explicit(3, derInteger(2))))).toBe(
      'der-malformed',
    );
    expect(codeOf(() => pss(hash(SHA256), mask(SHA256), salt(513)))).toBe('der-malformed');
    expect(signatureSchemeOf({ oid: '1.2.840.113549.1.1.10' })).toBeUndefined();
    const trailing = derElement(Tag.null);
    for (const parts of [
      [hash(SHA256), mask(SHA256), salt(32), explicit(3, derInteger(1)), trailing],
      [explicit(0, algorithm(SHA256), trailing), mask(SHA256), salt(32)],
      [hash(SHA256), explicit(1, algorithm(MGF1, algorithm(SHA256)), trailing), salt(32)],
      [hash(SHA256), mask(SHA256), explicit(2, derInteger(32), trailing)],
      [hash(SHA256), mask(SHA256), salt(32), explicit(3, derInteger(1), trailing)],
    ]) {
      expect(codeOf(() => pss(...parts))).toBe('der-malformed');
    }
  });

  it('requires the parameters of each algorithm', () => {
    const none = Uint8Array.of(5, 0);
    const other = Uint8Array.of(0x30, 0);
    expect(signatureSchemeOf({ oid: '1.2.840.113549.1.1.11', parameters: none })).toEqual({
      kind: 'rsa-pkcs1',
      hash: 'sha256',
    });
    expect(signatureSchemeOf({ oid: '1.2.840.113549.1.1.11' })).toEqual({
      kind: 'rsa-pkcs1',
      hash: 'sha256',
    });
    expect(codeOf(() => signatureSchemeOf({ oid: '1.2.840.113549.1.1.11', parameters: other }))).toBe(
      'der-malformed',
    );
    for (const oid of ['1.2.840.10045.4.3.2', '1.3.101.112']) {
      expect(signatureSchemeOf({ oid })).toBeDefined();
      expect(codeOf(() => signatureSchemeOf({ oid, parameters: none }))).toBe('der-malformed');
    }
    for (const oid of ['1.2.840.113549.1.1.5', '1.2.840.113549.1.1.14', '1.2.840.10045.4.1', '1.3.101.113']) {
      expect(signatureSchemeOf({ oid })).toBeUndefined();
    }
  });
});

describe('keyRefusal() (X509-36)', () => {
  it('bounds RSA keys from both sides', () => {
    const rsa = (bits: number, exponent: Uint8Array): PublicKeyShape => {
      const modulus = Buffer.alloc(Math.ceil(bits / 8), 0xff);
      modulus[0] = 0xff >> (modulus.length * 8 - bits);
      return { kind: 'rsa', modulus, exponent, onlyPss: false };
    };
    const f4 = Uint8Array.of(1, 0, 1);
    expect([2048, 4096, 16_384].map((bits) => keyRefusal(rsa(bits, f4)))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(keyRefusal(rsa(2047, f4))).toContain('at least 2048 bits');
    expect(keyRefusal(rsa(16_385, f4))).toContain('at most 16384 bits');
    expect(keyRefusal(rsa(2048, Uint8Array.of(3)))).toBeUndefined();
    expect(keyRefusal(rsa(2048, Uint8Array.of(1)))).toContain('at least 3');
    expect(keyRefusal(rsa(2048, Uint8Array.of(2)))).toContain('odd');
    expect(keyRefusal(rsa(2048, Buffer.alloc(8, 0xff)))).toBeUndefined();
    expect(keyRefusal(rsa(2048, Buffer.alloc(9, 0xff)))).toContain('64 bits');
  });
});

describe('signatures with RSASSA-PSS', () => {
  const HASHES = { sha256: SHA256, sha384: SHA384, sha512: '2.16.840.1.101.3.4.2.3' };

  it.each([
    'sha256',
    'sha384',
    'sha512',
  ] as const)('hold with %s and any salt that is stated', async (name) => {
    const ca = await makeCa('CN=Root', undefined, { keyKind: 'RSA-2048' });
    const middle = await makeCa('CN=Middle', ca, { keyKind: 'RSA-2048' });
    const leaf = await makeLeaf(middle);
    const resign = (der: Uint8Array, key: KeyObject, stated: number, made: number) =>
      rebuild(der, key, (parts) => parts, {
        algorithm: algorithm(
          '1.2.840.113549.1.1.10',
          derElement(Tag.sequence, hash(HASHES[name]), mask(HASHES[name]), salt(stated)),
        ),
        makeSignature: (tbs) =>
          sign(name, tbs, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: made }),
      });
    for (const length of [0, 20, 32, 64]) {
      const good = resign(leaf.der, middle.privateKey, length, length);
      expect(judge(good, [resign(middle.der, ca.privateKey, length, length)], [ca.der])).toBe(
        'accepted over 3',
      );
      const other = resign(leaf.der, middle.privateKey, length, length + 1);
      expect(judge(other, [middle.der], [ca.der])).toBe('signature-invalid of leaf 0');
    }
  });
});

describe('keys of every kind', () => {
  it('sign for keys of every other kind, in one path', async () => {
    const root = await makeCa('CN=1', undefined, { keyKind: 'RSA-4096' });
    const second = await makeCa('CN=2', root, { keyKind: 'P-521' });
    const third = await makeCa('CN=3', second, { keyKind: 'Ed25519' });
    const fourth = await makeCa('CN=4', third, { keyKind: 'RSA-2048' });
    const fifth = await makeCa('CN=5', fourth, { keyKind: 'P-384' });
    const leaf = await makeLeaf(fifth, { keyKind: 'P-256' });
    const helpers = [second, third, fourth, fifth].map(({ der }) => der);
    expect(judge(leaf.der, helpers, [root.der])).toBe('accepted over 6');
    expect(judge((await makeLeaf(root, { keyKind: 'Ed25519' })).der, [], [root.der])).toBe('accepted over 2');
  });

  it('with a point off their curve prove nothing', async () => {
    const ca = await makeCa('CN=Root');
    const leaf = await makeLeaf(ca);
    const spki = ca.publicKey.export({ type: 'spki', format: 'der' });
    const off = Buffer.from(spki);
    off[off.length - 1] = (off.at(-1) ?? 0) ^ 1;
    expect(judge(leaf.der, [], [ca.der])).toBe('accepted over 2');
    expect(judge(leaf.der, [], [replaceOnce(ca.der, spki, off)])).toBe('signature-invalid of leaf 0');
  });
});

describe('keys that are for RSASSA-PSS only', () => {
  it('prove PSS signatures and no others', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const ca = await makeCa('CN=Root', undefined, { keys: { publicKey, privateKey } });
    const pkcs1 = publicKey.export({ type: 'pkcs1', format: 'der' });
    const bound = derElement(
      Tag.sequence,
      algorithm('1.2.840.113549.1.1.10'),
      derElement(Tag.bitString, Uint8Array.of(0), pkcs1),
    );
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    // The anchor's own signature is not checked, so its key can be swapped for the same one under
    // the other number.
    const anchor = replaceOnce(ca.der, spki, bound);
    for (const [rsaPss, expected] of [
      [true, 'accepted over 2'],
      [false, 'signature-invalid of leaf 0'],
    ] as const) {
      const { der } = await makeLeaf(ca, { rsaPss });
      expect(judge(der, [], [ca.der])).toBe('accepted over 2');
      expect(judge(der, [], [anchor])).toBe(expected);
    }
  });
});

/** A certificate with one of the elements of its signed part replaced. */
function replaceOnce(der: Uint8Array, from: Uint8Array, to: Uint8Array): Uint8Array {
  const buffer = Buffer.from(der);
  const at = buffer.indexOf(from);
  const tbs = buffer.subarray(4);
  const tbsEnd = 4 + 4 + tbs.readUInt16BE(2);
  const inner = Buffer.concat([buffer.subarray(8, at), to, buffer.subarray(at + from.length, tbsEnd)]);
  return derElement(Tag.sequence, derElement(Tag.sequence, inner), buffer.subarray(tbsEnd));
}
