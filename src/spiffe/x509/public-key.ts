import { readAlgorithm } from './algorithm-identifier.ts';
import { DerError, DerReader, Tag } from '../base/der.ts';

/** The content of a SubjectPublicKeyInfo, for the kinds of keys that we know (X509-36). */
export type PublicKeyShape =
  | {
      readonly kind: 'rsa';
      readonly modulus: Uint8Array;
      readonly exponent: Uint8Array;
      readonly onlyPss: boolean;
    }
  | {
      readonly kind: 'ec';
      readonly curve: 'P-256' | 'P-384' | 'P-521';
      readonly x: Uint8Array;
      readonly y: Uint8Array;
    }
  | { readonly kind: 'ed25519'; readonly x: Uint8Array }
  | { readonly kind: 'unknown'; readonly oid: string };

const CURVES: Readonly<Record<string, { curve: 'P-256' | 'P-384' | 'P-521'; size: number }>> = {
  '1.2.840.10045.3.1.7': { curve: 'P-256', size: 32 },
  '1.3.132.0.34': { curve: 'P-384', size: 48 },
  '1.3.132.0.35': { curve: 'P-521', size: 66 },
};

/**
 * Reads a SubjectPublicKeyInfo. Keys of kinds and curves we do not know are `unknown`. Throws
 * `DerError`.
 */
export function readPublicKey(spkiDer: Uint8Array): PublicKeyShape {
  const outer = new DerReader(spkiDer);
  const sequence = outer.enter(Tag.sequence);
  outer.end();
  const { oid, parameters } = readAlgorithm(sequence);
  const key = sequence.wholeBytes();
  sequence.end();
  switch (oid) {
    case '1.2.840.113549.1.1.1':
      if (parameters?.length !== 2 || parameters[0] !== Tag.null)
        throw new DerError('an RSA key has NULL parameters');
      return readRsa(key, false);
    case '1.2.840.113549.1.1.10':
      return readRsa(key, true);
    case '1.2.840.10045.2.1': {
      if (parameters?.[0] !== Tag.objectIdentifier)
        return { kind: 'unknown', oid: `${oid} with explicit curve parameters` };
      const curveOid = new DerReader(parameters).objectIdentifier();
      const known = CURVES[curveOid];
      if (!known) return { kind: 'unknown', oid: `${oid} on curve ${curveOid}` };
      if (key.length !== 1 + 2 * known.size || key[0] !== 4)
        throw new DerError('an EC key is an uncompressed point');
      return {
        kind: 'ec',
        curve: known.curve,
        x: key.subarray(1, 1 + known.size),
        y: key.subarray(1 + known.size),
      };
    }
    case '1.3.101.112':
      if (parameters) throw new DerError('an Ed25519 key has no parameters');
      if (key.length !== 32) throw new DerError('an Ed25519 key has 32 bytes');
      return { kind: 'ed25519', x: key };
    default:
      return { kind: 'unknown', oid };
  }
}

function readRsa(key: Uint8Array, onlyPss: boolean): PublicKeyShape {
  const outer = new DerReader(key);
  const sequence = outer.enter(Tag.sequence);
  outer.end();
  const modulus = positive(sequence.integer());
  const exponent = positive(sequence.integer());
  sequence.end();
  return { kind: 'rsa', modulus, exponent, onlyPss };
}

function positive(integer: Uint8Array): Uint8Array {
  const [first = 0] = integer;
  if (first >= 0x80 || (first === 0 && integer.length === 1))
    throw new DerError('an RSA key is made of positive numbers');
  return first === 0 ? integer.subarray(1) : integer;
}
