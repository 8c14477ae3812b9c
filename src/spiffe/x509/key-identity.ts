import { hash } from 'node:crypto';
import { DerError, Tag } from '../base/der.ts';
import { derElement, derInteger, derObjectIdentifier } from '../base/der-writer.ts';
import { type PublicKeyShape, readPublicKey } from './public-key.ts';

const RSA_ENCRYPTION = '1.2.840.113549.1.1.1';

/**
 * SHA-256 of the canonical SubjectPublicKeyInfo of a key, 64 lower-case hex digits: the name of a
 * key wherever keys are compared. Because one key has several encodings, an RSA key under
 * id-RSASSA-PSS counts as the same key under rsaEncryption. EC and Ed25519 keys are read in one
 * encoding only. For bytes that are not a known key it is the digest of these bytes.
 */
export function keyFingerprintOf(spkiDer: Uint8Array): string {
  return hash('sha256', canonicalSpki(spkiDer), 'hex');
}

/**
 * Every digest under which a key may be on record: `keyFingerprintOf`, and the digest of its actual
 * encoding, which older versions of Federate used. They differ only for an RSA key under
 * id-RSASSA-PSS.
 */
export function keyNamesOf(spkiDer: Uint8Array): readonly string[] {
  const canonical = canonicalSpki(spkiDer);
  const name = hash('sha256', canonical, 'hex');
  return canonical === spkiDer ? [name] : [name, hash('sha256', spkiDer, 'hex')];
}

function canonicalSpki(spkiDer: Uint8Array): Uint8Array {
  const shape = shapeOf(spkiDer);
  if (shape?.kind !== 'rsa' || !shape.onlyPss) return spkiDer;
  const key = derElement(Tag.sequence, unsigned(shape.modulus), unsigned(shape.exponent));
  return derElement(
    Tag.sequence,
    derElement(Tag.sequence, derObjectIdentifier(RSA_ENCRYPTION), derElement(Tag.null)),
    derElement(Tag.bitString, Uint8Array.of(0), key),
  );
}

function shapeOf(spkiDer: Uint8Array): PublicKeyShape | undefined {
  try {
    return readPublicKey(spkiDer);
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}

function unsigned(number: Uint8Array): Uint8Array {
  return derInteger(BigInt(`0x${Buffer.from(number).toString('hex')}`));
}
