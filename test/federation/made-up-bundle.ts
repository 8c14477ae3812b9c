import { createHash } from 'node:crypto';
import { parseTrustDomain, type TrustBundle, type X509Authority } from '../../src/spiffe/index.ts';

/** The instant at which everything made up here is valid. */
export const INSTANT = new Date('2030-06-01T12:00:00Z');

const hash = (text: string) => createHash('sha256').update(text).digest('hex');

/** A root that is only a name and a key: enough for whoever compares and never verifies. */
export function madeUpRoot(
  name: string,
  { key = name, notAfter = new Date('2031-01-01T00:00:00Z') } = {},
): X509Authority {
  return {
    der: Buffer.from(name),
    fingerprint: hash(name),
    keyFingerprint: hash(`key ${key}`),
    subject: `CN=${name}`,
    notBefore: new Date('2030-01-01T00:00:00Z'),
    notAfter,
  };
}

/** A bundle of made-up roots. */
export function madeUpBundle(
  trustDomain: string,
  roots: readonly (string | X509Authority)[],
  rest: Partial<Pick<TrustBundle, 'sequence' | 'refreshHintSeconds' | 'jwtAuthorities'>> = {},
): TrustBundle {
  return {
    trustDomain: parseTrustDomain(trustDomain),
    x509Authorities: roots.map((root) => (typeof root === 'string' ? madeUpRoot(root) : root)),
    jwtAuthorities: [],
    ...rest,
  };
}
