import { generateKeyPairSync, hash, type KeyObject, sign } from 'node:crypto';
import { CONSTRUCTED, CONTEXT, Tag } from '../src/spiffe/base/der.ts';
import { derElement, derInteger, derObjectIdentifier } from '../src/spiffe/base/der-writer.ts';

/** What signs every odd certificate: nobody checks it, since all of them are roots. */
const KEY = generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** A root as its parts, each of them DER that may be as odd as one likes. */
export interface OddParts {
  /** The content of the INTEGER. */
  readonly serial: Uint8Array;
  readonly signatureAlgorithm: Uint8Array;
  readonly subject: Uint8Array;
  /** The subject, if absent. */
  readonly issuer?: Uint8Array;
  readonly notBefore: Uint8Array;
  readonly notAfter: Uint8Array;
  readonly spki: Uint8Array;
  /** What stands between the key and the extensions. */
  readonly uniqueIds: readonly Uint8Array[];
  readonly extensions: readonly Uint8Array[];
}

/** The parts of a root that every program reads; `subject` is its common name. */
export function soundParts(subject = 'Odd root'): OddParts {
  const spki = spkiOf(KEY.publicKey);
  return {
    serial: Uint8Array.of(0x4d, 1, 2, 3),
    signatureAlgorithm: algorithm('1.2.840.10045.4.3.2'),
    subject: nameOf(attribute('2.5.4.3', Tag.utf8String, Buffer.from(subject))),
    notBefore: utcTime('250101000000Z'),
    notAfter: utcTime('450101000000Z'),
    spki,
    uniqueIds: [],
    extensions: soundExtensions(spki),
  };
}

/** The extensions of such a root, by name, so that one of them can be another. */
export function soundExtensions(spki: Uint8Array): Uint8Array[] {
  return [
    extension('2.5.29.19', derElement(Tag.sequence, TRUE), true),
    extension('2.5.29.15', derElement(Tag.bitString, Uint8Array.of(1, 0x06)), true),
    extension('2.5.29.14', derElement(Tag.octetString, hash('sha256', spki, 'buffer').subarray(0, 20))),
    extension(
      '2.5.29.17',
      derElement(Tag.sequence, derElement(CONTEXT | 6, Buffer.from('spiffe://odd.example'))),
    ),
  ];
}

/** The certificate of these parts, DER. */
export function oddCertificate(parts: OddParts): Uint8Array {
  const { serial, signatureAlgorithm, subject, issuer = subject, spki, uniqueIds, extensions } = parts;
  const tbs = derElement(
    Tag.sequence,
    derElement(CONTEXT | CONSTRUCTED | 0, derInteger(2)),
    derElement(Tag.integer, serial),
    signatureAlgorithm,
    issuer,
    derElement(Tag.sequence, parts.notBefore, parts.notAfter),
    subject,
    spki,
    ...uniqueIds,
    ...(extensions.length === 0
      ? []
      : [derElement(CONTEXT | CONSTRUCTED | 3, derElement(Tag.sequence, ...extensions))]),
  );
  const signature = sign('sha256', tbs, KEY.privateKey);
  return derElement(
    Tag.sequence,
    tbs,
    signatureAlgorithm,
    derElement(Tag.bitString, Uint8Array.of(0), signature),
  );
}

export const TRUE = derElement(Tag.boolean, Uint8Array.of(0xff));
export const FALSE = derElement(Tag.boolean, Uint8Array.of(0));

/** A Name of one relative name for each attribute. */
export function nameOf(...attributes: readonly Uint8Array[]): Uint8Array {
  return derElement(Tag.sequence, ...attributes.map((each) => derElement(Tag.set, each)));
}

export function attribute(type: string, tag: number, value: Uint8Array): Uint8Array {
  return derElement(Tag.sequence, derObjectIdentifier(type), derElement(tag, value));
}

export function algorithm(oid: string, ...parameters: readonly Uint8Array[]): Uint8Array {
  return derElement(Tag.sequence, derObjectIdentifier(oid), ...parameters);
}

/** An extension; with `critical` a boolean it is stated, also where it is the default. */
export function extension(oid: string, value: Uint8Array, critical?: boolean): Uint8Array {
  const stated = critical === undefined ? [] : [critical ? TRUE : FALSE];
  return derElement(Tag.sequence, derObjectIdentifier(oid), ...stated, derElement(Tag.octetString, value));
}

export function utcTime(text: string): Uint8Array {
  return derElement(Tag.utcTime, Buffer.from(text));
}

export function generalizedTime(text: string): Uint8Array {
  return derElement(Tag.generalizedTime, Buffer.from(text));
}

export function spkiOf(key: KeyObject): Uint8Array {
  return key.export({ type: 'spki', format: 'der' });
}

/** The SubjectPublicKeyInfo of an RSA key of these numbers. */
export function rsaSpki(
  modulus: bigint,
  exponent: bigint,
  named: Uint8Array = algorithm('1.2.840.113549.1.1.1', derElement(Tag.null)),
): Uint8Array {
  const key = derElement(Tag.sequence, derInteger(modulus), derInteger(exponent));
  return derElement(Tag.sequence, named, derElement(Tag.bitString, Uint8Array.of(0), key));
}
