import { constants, verify } from 'node:crypto';
import { type AlgorithmIdentifier, readAlgorithm } from './algorithm-identifier.ts';
import { CONSTRUCTED, CONTEXT, DerError, DerReader, Tag } from '../base/der.ts';
import type { Certificate } from './certificate.ts';
import { keyObjectOf, publicKeyOf } from './certificate-key.ts';
import type { PublicKeyShape } from './public-key.ts';

/** The signature scheme of a certificate, if we accept it: SHA-256 or better (X509-36). */
export type SignatureScheme =
  | { readonly kind: 'rsa-pkcs1'; readonly hash: string }
  | { readonly kind: 'rsa-pss'; readonly hash: string; readonly saltLength: number }
  | { readonly kind: 'ecdsa'; readonly hash: string }
  | { readonly kind: 'ed25519' };

const RSA_PKCS1: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
};
const ECDSA: Readonly<Record<string, string>> = {
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
};
const HASHES: Readonly<Record<string, string>> = {
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};
const MGF1 = '1.2.840.113549.1.1.8';
const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 16_384;

/**
 * The scheme an AlgorithmIdentifier names, or undefined if we do not accept it. Throws `DerError`.
 */
export function signatureSchemeOf({ oid, parameters }: AlgorithmIdentifier): SignatureScheme | undefined {
  const pkcs1 = RSA_PKCS1[oid];
  if (pkcs1 !== undefined) {
    // RFC 4055 §5: NULL, and absent parameters are accepted too.
    if (parameters && (parameters.length !== 2 || parameters[0] !== Tag.null)) {
      throw new DerError('an RSA signature algorithm has NULL parameters');
    }
    return { kind: 'rsa-pkcs1', hash: pkcs1 };
  }
  const ecdsa = ECDSA[oid];
  if (ecdsa !== undefined || oid === '1.3.101.112') {
    if (parameters) throw new DerError('an ECDSA or Ed25519 signature algorithm has no parameters');
    return ecdsa === undefined ? { kind: 'ed25519' } : { kind: 'ecdsa', hash: ecdsa };
  }
  return oid === '1.2.840.113549.1.1.10' && parameters ? readPss(parameters) : undefined;
}

/**
 * RSASSA-PSS-params (RFC 4055 §3.1). The defaults are SHA-1, so both hashes have to be there, and
 * be the same.
 */
function readPss(parameters: Uint8Array): SignatureScheme | undefined {
  const outer = new DerReader(parameters);
  const sequence = outer.enter(Tag.sequence);
  outer.end();
  const hash = sequence.enterOptional(CONTEXT | CONSTRUCTED | 0);
  const mask = sequence.enterOptional(CONTEXT | CONSTRUCTED | 1);
  const salt = sequence.enterOptional(CONTEXT | CONSTRUCTED | 2);
  const trailer = sequence.enterOptional(CONTEXT | CONSTRUCTED | 3);
  sequence.end();
  if (!hash || !mask) return undefined;
  const hashName = HASHES[readAlgorithm(hash).oid];
  hash.end();
  const generator = readAlgorithm(mask);
  mask.end();
  const maskHash =
    generator.oid === MGF1 && generator.parameters
      ? HASHES[readAlgorithm(new DerReader(generator.parameters)).oid]
      : undefined;
  const saltLength = salt ? salt.smallInteger(512) : 20;
  salt?.end();
  if (trailer && trailer.smallInteger(255) !== 1) throw new DerError('the PSS trailer field is 1');
  trailer?.end();
  if (hashName === undefined || maskHash !== hashName) return undefined;
  return { kind: 'rsa-pss', hash: hashName, saltLength };
}

/** Why a public key cannot check signatures, as a sentence, or undefined if it can (X509-36). */
export function keyRefusal(shape: PublicKeyShape): string | undefined {
  switch (shape.kind) {
    case 'rsa': {
      const bits = shape.modulus.length * 8 - Math.clz32(shape.modulus[0] ?? 0) + 24;
      if (bits < MIN_RSA_BITS) return `an RSA key has at least ${MIN_RSA_BITS} bits, this one has ${bits}`;
      if (bits > MAX_RSA_BITS) return `an RSA key has at most ${MAX_RSA_BITS} bits, this one has ${bits}`;
      if (shape.exponent.length > 8) return 'an RSA exponent has at most 64 bits';
      if (
        ((shape.exponent.at(-1) ?? 0) & 1) === 0 ||
        (shape.exponent.length === 1 && shape.exponent[0] === 1)
      ) {
        return 'an RSA exponent is odd and at least 3';
      }
      return undefined;
    }
    case 'ec':
    case 'ed25519':
      return undefined;
    case 'unknown':
      return `keys are RSA, EC on P-256, P-384 or P-521, or Ed25519, this one is ${shape.oid}`;
    default:
      return shape satisfies never;
  }
}

/**
 * Whether the issuer's key made the certificate's signature. False for a key of another kind than
 * the scheme.
 */
export function signatureIsBy(
  certificate: Certificate,
  scheme: SignatureScheme,
  issuer: Certificate,
): boolean {
  if (!fits(scheme, publicKeyOf(issuer))) return false;
  const { tbsDer, signature } = certificate;
  try {
    const key = keyObjectOf(issuer);
    switch (scheme.kind) {
      case 'rsa-pkcs1':
        return verify(scheme.hash, tbsDer, key, signature);
      case 'rsa-pss': {
        const padding = constants.RSA_PKCS1_PSS_PADDING;
        return verify(scheme.hash, tbsDer, { key, padding, saltLength: scheme.saltLength }, signature);
      }
      case 'ecdsa':
        return verify(scheme.hash, tbsDer, key, signature);
      case 'ed25519':
        return verify(null, tbsDer, key, signature);
      default:
        return scheme satisfies never;
    }
  } catch {
    // Numbers that are not a key (a point off its curve), or a key whose own parameters forbid this
    // scheme, signed nothing.
    return false;
  }
}

function fits(scheme: SignatureScheme, shape: PublicKeyShape): boolean {
  switch (scheme.kind) {
    case 'rsa-pkcs1':
      return shape.kind === 'rsa' && !shape.onlyPss;
    case 'rsa-pss':
      return shape.kind === 'rsa';
    case 'ecdsa':
      return shape.kind === 'ec';
    case 'ed25519':
      return shape.kind === 'ed25519';
    default:
      return scheme satisfies never;
  }
}
