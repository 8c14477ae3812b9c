import { createPublicKey, hash, type KeyObject } from 'node:crypto';
import type { Certificate } from './certificate.ts';
import { type PublicKeyShape, readPublicKey } from './public-key.ts';

// An authority is read once and proves many peers, so the kind of its key is remembered.
const shapes = new WeakMap<Certificate, PublicKeyShape>();
const keysOfCertificates = new WeakMap<Certificate, KeyObject>();

/** The kind and the numbers of a certificate's key. Throws `DerError`. */
export function publicKeyOf(certificate: Certificate): PublicKeyShape {
  const known = shapes.get(certificate);
  if (known) return known;
  const shape = readPublicKey(certificate.spkiDer);
  shapes.set(certificate, shape);
  return shape;
}

/**
 * The key of a certificate for checking signatures. Throws what `createPublicKey` throws where the
 * numbers are not a key.
 */
export function keyObjectOf(certificate: Certificate): KeyObject {
  const known = keysOfCertificates.get(certificate);
  if (known) return known;
  const key = keyFromCache(certificate.spkiDer);
  keysOfCertificates.set(certificate, key);
  return key;
}

const MAX_CACHED_KEYS = 2048;
const keys = new Map<string, KeyObject>();

/**
 * By content, because peers send the same intermediates again and again, and making a key costs
 * more than a signature check.
 */
function keyFromCache(spkiDer: Uint8Array): KeyObject {
  const label = hash('sha256', spkiDer, 'base64');
  const known = keys.get(label);
  if (known) {
    keys.delete(label);
    keys.set(label, known);
    return known;
  }
  const key = createPublicKey({ key: Buffer.from(spkiDer), format: 'der', type: 'spki' });
  keys.set(label, key);
  if (keys.size > MAX_CACHED_KEYS) {
    const [oldest] = keys.keys();
    if (oldest !== undefined) keys.delete(oldest);
  }
  return key;
}
