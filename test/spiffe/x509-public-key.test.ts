import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Tag } from '../../src/spiffe/base/der.ts';
import { derElement, derInteger, derObjectIdentifier } from '../../src/spiffe/base/der-writer.ts';
import { readPublicKey } from '../../src/spiffe/x509/public-key.ts';
import { codeOf } from './attempt.ts';

const RSA = '1.2.840.113549.1.1.1';
const RSA_PSS = '1.2.840.113549.1.1.10';
const EC = '1.2.840.10045.2.1';
const ED25519 = '1.3.101.112';
const none = derElement(Tag.null);

const spkiOf = (key: KeyObject) => new Uint8Array(key.export({ type: 'spki', format: 'der' }));
/** A SubjectPublicKeyInfo of an algorithm, its parameters and a key. */
const spki = (oid: string, parameters: Uint8Array[], key: Uint8Array, ...more: Uint8Array[]) =>
  new Uint8Array(
    derElement(
      Tag.sequence,
      derElement(Tag.sequence, derObjectIdentifier(oid), ...parameters),
      derElement(Tag.bitString, Uint8Array.of(0), key),
      ...more,
    ),
  );
const rsaKey = (...parts: Uint8Array[]) => derElement(Tag.sequence, ...parts);
const integer = (...bytes: number[]) => derElement(Tag.integer, Uint8Array.from(bytes));
const point = (size: number, form = 4) => Uint8Array.of(form, ...new Uint8Array(2 * size).fill(7));
const read = (der: Uint8Array) => codeOf(() => readPublicKey(der));

describe('readPublicKey() (X509-36)', () => {
  it('reads what Node writes, number for number', () => {
    const { publicKey: rsa } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const { n = '', e = '' } = rsa.export({ format: 'jwk' });
    expect(readPublicKey(spkiOf(rsa))).toEqual({
      kind: 'rsa',
      modulus: new Uint8Array(Buffer.from(n, 'base64url')),
      exponent: new Uint8Array(Buffer.from(e, 'base64url')),
      onlyPss: false,
    });
    for (const curve of ['P-256', 'P-384', 'P-521']) {
      const { publicKey } = generateKeyPairSync('ec', { namedCurve: curve });
      const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
      expect(readPublicKey(spkiOf(publicKey))).toEqual({
        kind: 'ec',
        curve,
        x: new Uint8Array(Buffer.from(x, 'base64url')),
        y: new Uint8Array(Buffer.from(y, 'base64url')),
      });
    }
    const { publicKey: ed } = generateKeyPairSync('ed25519');
    const { x = '' } = ed.export({ format: 'jwk' });
    expect(readPublicKey(spkiOf(ed))).toEqual({
      kind: 'ed25519',
      x: new Uint8Array(Buffer.from(x, 'base64url')),
    });
    const { publicKey: pss } = generateKeyPairSync('rsa-pss', { modulusLength: 2048 });
    expect(readPublicKey(spkiOf(pss))).toMatchObject({ kind: 'rsa', onlyPss: true });
  });

  it('accepts RSA keys made of two positive numbers, with NULL parameters', () => {
    const key = rsaKey(integer(0x0f, 1), integer(3));
    expect(read(spki(RSA, [none], key))).toBe('accepted');
    expect(read(spki(RSA_PSS, [], key))).toBe('accepted');
    for (const parameters of [[], [integer(5)], [derElement(Tag.null, Uint8Array.of(0))]])
      expect(read(spki(RSA, parameters, key))).toBe('der-malformed');
    for (const odd of [
      rsaKey(integer(0x8f, 1), integer(3)),
      rsaKey(integer(0x0f, 1), integer(0x80)),
      rsaKey(integer(0), integer(3)),
      rsaKey(integer(0x0f, 1), integer(0)),
      rsaKey(integer(0x0f, 1)),
      rsaKey(integer(0x0f, 1), integer(3), integer(3)),
      Buffer.concat([key, none]),
    ]) {
      expect(read(spki(RSA, [none], odd))).toBe('der-malformed');
    }
    expect(readPublicKey(spki(RSA, [none], rsaKey(integer(0, 0x80), integer(1))))).toMatchObject({
      modulus: Uint8Array.of(0x80),
      exponent: Uint8Array.of(1),
    });
  });

  it('accepts EC keys on three named curves as uncompressed points', () => {
    for (const [curve, size] of [
      ['1.2.840.10045.3.1.7', 32],
      ['1.3.132.0.34', 48],
      ['1.3.132.0.35', 66],
    ] as const) {
      const parameters = [derObjectIdentifier(curve)];
      expect(read(spki(EC, parameters, point(size)))).toBe('accepted');
      for (const odd of [point(size, 2), point(size, 6), point(size - 1), point(size + 1), Uint8Array.of()])
        expect(read(spki(EC, parameters, odd))).toBe('der-malformed');
    }
    const unknown = (parameters: Uint8Array[]) => readPublicKey(spki(EC, parameters, point(32)));
    expect(unknown([derObjectIdentifier('1.3.132.0.10')])).toEqual({
      kind: 'unknown',
      oid: `${EC} on curve 1.3.132.0.10`,
    });
    const explicit = { kind: 'unknown', oid: `${EC} with explicit curve parameters` };
    expect([unknown([]), unknown([derElement(Tag.sequence)])]).toEqual([explicit, explicit]);
  });

  it('accepts Ed25519 keys of 32 bytes without parameters', () => {
    expect(read(spki(ED25519, [], new Uint8Array(32)))).toBe('accepted');
    expect(read(spki(ED25519, [none], new Uint8Array(32)))).toBe('der-malformed');
    for (const length of [0, 31, 33])
      expect(read(spki(ED25519, [], new Uint8Array(length)))).toBe('der-malformed');
  });

  it('knows no other kind, and refuses trailing bytes', () => {
    expect(readPublicKey(spki('1.3.101.113', [], new Uint8Array(57)))).toEqual({
      kind: 'unknown',
      oid: '1.3.101.113',
    });
    const good = spki(ED25519, [], new Uint8Array(32));
    expect(read(Buffer.concat([good, none]))).toBe('der-malformed');
    expect(read(spki(ED25519, [], new Uint8Array(32), none))).toBe('der-malformed');
    const twoParameters = spki(RSA, [none, none], rsaKey(derInteger(15), derInteger(3)));
    expect(read(twoParameters)).toBe('der-malformed');
    const unusedBits = derElement(
      Tag.sequence,
      derElement(Tag.sequence, derObjectIdentifier(ED25519)),
      derElement(Tag.bitString, Uint8Array.of(1), new Uint8Array(32)),
    );
    expect(read(unusedBits)).toBe('der-malformed');
  });
});
