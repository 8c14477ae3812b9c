import type { PublicKeyShape } from './public-key.ts';

const MIN_RSA_BITS = 2048;
/** Go's TLS and ring take no longer keys. */
const MAX_RSA_BITS = 8192;
/** Go takes no larger exponents. */
const MAX_EXPONENT = 0x7fff_ffff;

/** Why other verifiers cannot check signatures with a key, or undefined where they all can. */
export function keyProblem(shape: PublicKeyShape): string | undefined {
  switch (shape.kind) {
    case 'rsa':
      return rsaKeyProblem(shape) ?? rsaSizeProblem(shape.modulus);
    case 'ec':
      return undefined;
    case 'ed25519':
      return isEd25519Point(shape.x) ? undefined : 'its Ed25519 key is not a point of the curve';
    case 'unknown':
      return `its key is of a kind that is not supported (${shape.oid})`;
    default:
      return shape satisfies never;
  }
}

/**
 * Why other programs cannot read an RSA key, whatever its length: what holds for keys that sign
 * JWTs too.
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

function rsaSizeProblem(modulus: Uint8Array): string | undefined {
  const bits = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24;
  return bits < MIN_RSA_BITS || bits > MAX_RSA_BITS
    ? `its RSA key has ${bits} bits, not ${MIN_RSA_BITS} to ${MAX_RSA_BITS}`
    : undefined;
}

const P = 2n ** 255n - 19n;
const D = 37095705934669439343138083508754565189542113879843219016388785533085940283555n;

/**
 * Whether 32 bytes are a point of edwards25519 (RFC 8032 §5.1.3). OpenSSL takes any 32 bytes for a
 * key, and only finds at the first signature that it is none.
 */
function isEd25519Point(bytes: Uint8Array): boolean {
  const encoded = BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
  const y = encoded & (2n ** 255n - 1n);
  if (y >= P) return false;
  // x² = u/v. Because v² is a square, u/v is one exactly if u·v is.
  const u = modulo(y * y - 1n);
  const v = modulo(D * y * y + 1n);
  // Of x = 0 there is one sign only.
  if (u === 0n) return encoded >> 255n === 0n;
  return power(modulo(u * v), (P - 1n) / 2n) === 1n;
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
