import { createHash, createPublicKey } from 'node:crypto';
import type { JwtAuthority, TrustBundle } from '../spiffe/index.ts';

/** Whose key an offer has taken: one of our own mesh, or one of another trust domain. */
export type ForeignKeyCode = 'own-root-offered' | 'root-of-another-trust-domain';

/** A key of an offered bundle that belongs to somebody else. */
export interface ForeignKey {
  readonly code: ForeignKeyCode;
  readonly message: string;
}

/** The bundles an offer is held against. */
export interface Surroundings {
  /** Our own trust domain's bundle, where the mesh has told it already. */
  readonly own: TrustBundle | undefined;
  /** Every foreign bundle held; the one of the offered trust domain among them is passed over. */
  readonly others: readonly TrustBundle[];
}

/**
 * The first key of `offered`, of an X.509 root or for JWTs, that was not held before and that is one of our own trust domain or of
 * another one: a key speaks for one trust domain (TDB-42). Compared by the SubjectPublicKeyInfo, so neither another
 * certificate over the key, nor another key ID, nor the other use hides it. One that was let in once is not asked about again.
 */
export function findForeignKey(
  held: TrustBundle | undefined,
  offered: TrustBundle,
  { own, others }: Surroundings,
): ForeignKey | undefined {
  const before = held && keysOf(held);
  const added = [...keysOf(offered)].filter((key) => !before?.has(key));
  if (added.length === 0) return undefined;
  const taken = (bundle: TrustBundle) => added.find((key) => keysOf(bundle).has(key));
  const mine = own && taken(own);
  if (mine !== undefined) {
    return {
      code: 'own-root-offered',
      message: `${offered.trustDomain} offers a ${useOf(offered, mine)} whose key is one of our own trust domain ${own?.trustDomain} (${mine})`,
    };
  }
  for (const other of others) {
    if (other.trustDomain === offered.trustDomain) continue;
    const theirs = taken(other);
    if (theirs === undefined) continue;
    return {
      code: 'root-of-another-trust-domain',
      message: `${offered.trustDomain} offers a ${useOf(offered, theirs)} whose key belongs to ${other.trustDomain} (${theirs})`,
    };
  }
  return undefined;
}

function useOf({ x509Authorities }: TrustBundle, key: string): string {
  return x509Authorities.some(({ keyFingerprint }) => keyFingerprint === key) ? 'root' : 'JWT key';
}

// Asked for at every judgement that brings a new key, of every bundle held.
const keys = new WeakMap<TrustBundle, ReadonlySet<string>>();

/** SHA-256 of the SubjectPublicKeyInfo of every key, 64 lower-case hex digits. */
function keysOf(bundle: TrustBundle): ReadonlySet<string> {
  const known = keys.get(bundle);
  if (known) return known;
  const found = new Set([
    ...bundle.x509Authorities.map(({ keyFingerprint }) => keyFingerprint),
    ...bundle.jwtAuthorities.map(jwtKeyFingerprint),
  ]);
  keys.set(bundle, found);
  return found;
}

function jwtKeyFingerprint({ jwk }: JwtAuthority): string {
  const spki = createPublicKey({ key: { ...jwk }, format: 'jwk' }).export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest('hex');
}
