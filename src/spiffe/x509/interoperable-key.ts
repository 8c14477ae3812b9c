import type { PublicKeyShape } from './public-key.ts';

const MIN_RSA_BITS = 2048;
/** Go's TLS and ring accept no longer keys. */
const MAX_RSA_BITS = 8192;
/** Go accepts no larger exponents. */
const MAX_EXPONENT = 0x7fff_ffff;

/** Why other verifiers cannot check signatures with a key, or undefined where they all can. */
export function keyProblem(shape: PublicKeyShape): string | undefined {
  switch (shape.kind) {
    case 'rsa':
      return rsaKeyProblem(shape) ?? rsaSizeProblem(shape.modulus);
    case 'ec':
      return undefined;
    case 'ed25519':
      return ed25519KeyProblem(shape.x);
    case 'unknown':
      return `its key is of a kind that is not supported (${shape.oid})`;
    default:
      return shape satisfies never;
  }
}

/**
 * Why other programs cannot read an RSA key of any length. It applies to keys that sign JWTs too.
 */
export function rsaKeyProblem({
  modulus,
  exponent,
  onlyPss,
}: Extract<PublicKeyShape, { kind: 'rsa' }>): string | undefined {
  if (onlyPss) return 'its RSA key is named id-RSASSA-PSS, and Go reads no key under that name';
  const number = exponent.length > 4 ? Infinity : exponent.reduce((sum, byte) => sum * 256 + byte, 0);
  if (number > MAX_EXPONENT) return 'its RSA exponent has more than 31 bits';
  if (number < 3 || number % 2 === 0) return 'its RSA exponent is not an odd number from 3';
  if (((modulus.at(-1) ?? 0) & 1) === 0) return 'its RSA modulus is an even number';
  return undefined;
}

/**
 * Why other programs cannot read an Ed25519 key, or refuse it: what holds for keys that sign JWTs
 * too. Because an attacker can sign for a point of low order, go-jose refuses a whole set of keys
 * with one.
 */
export function ed25519KeyProblem(bytes: Uint8Array): string | undefined {
  const encoded = BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
  if (!isEd25519Point(encoded)) return 'its Ed25519 key is not a point of the curve';
  return isOfLowOrder(encoded & Y_BITS)
    ? 'its Ed25519 key is a point for which any party can sign'
    : undefined;
}

function rsaSizeProblem(modulus: Uint8Array): string | undefined {
  const bits = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24;
  return bits < MIN_RSA_BITS || bits > MAX_RSA_BITS
    ? `its RSA key has ${bits} bits, not ${MIN_RSA_BITS} to ${MAX_RSA_BITS}`
    : undefined;
}

const P = 2n ** 255n - 19n;
/** All bits of an encoded point but the highest, which is the sign of x. */
const Y_BITS = 2n ** 255n - 1n;
const D = 37095705934669439343138083508754565189542113879843219016388785533085940283555n;

/**
 * Whether 32 bytes are a point of edwards25519 (RFC 8032 §5.1.3). OpenSSL takes any 32 bytes for a
 * key, and only finds at the first signature that it is none.
 */
function isEd25519Point(encoded: bigint): boolean {
  const y = encoded & Y_BITS;
  if (y >= P) return false;
  // x² = u/v. Because v² is a square, u/v is one exactly if u·v is.
  const u = modulo(y * y - 1n);
  const v = modulo(D * y * y + 1n);
  // Of x = 0 there is one sign only.
  if (u === 0n) return encoded >> 255n === 0n;
  return power(modulo(u * v), (P - 1n) / 2n) === 1n;
}

/**
 * Whether the points with this y have an order of 1, 2, 4 or 8. Those of order 8 are the ones whose
 * double has y = 0.
 */
function isOfLowOrder(y: bigint): boolean {
  const square = modulo(y * y);
  return modulo(y * (square - 1n) * (D * square * square + 2n * square - 1n)) === 0n;
}

function modulo(number: bigint): bigint {
  const rest = number % P;
  return rest < 0n ? rest + P : rest;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = modulo(base);
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = modulo(result * square);
    square = modulo(square * square);
  }
  return result;
}
