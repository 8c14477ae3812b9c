import { type TrustBundle, type TrustDomain, trustDomainsNamedBy } from '../../spiffe/index.ts';
import { keyFingerprintsOf } from './key-fingerprints.ts';

/**
 * Whose key an offer has taken: one of our own mesh · one of another trust domain · a root whose
 * certificate names another trust domain · one that the operator has distrusted under another name.
 */
const FOREIGN_KEY_CODES = [
  'own-root-offered',
  'root-of-another-trust-domain',
  'root-names-another-trust-domain',
  'distrusted-key-offered',
] as const;
export type ForeignKeyCode = (typeof FOREIGN_KEY_CODES)[number];

/** Whether a code is about a key that belongs to another trust domain. */
export function isForeignKeyCode(code: string): code is ForeignKeyCode {
  return FOREIGN_KEY_CODES.some((each) => each === code);
}

/** A key of an offered bundle that belongs to another trust domain. */
export interface ForeignKey {
  readonly code: ForeignKeyCode;
  readonly message: string;
}

/** The bundles an offer is held against. */
export interface Surroundings {
  /** Our own trust domain's bundle, where the mesh has reported it already. */
  readonly own: TrustBundle | undefined;
  /** Every foreign bundle held; the one of the offered trust domain among them is passed over. */
  readonly others: readonly TrustBundle[];
  /**
   * The keys that are distrusted, ours and those of all peers; those of the offered trust domain
   * among them are passed over.
   */
  readonly distrusted?: readonly { readonly trustDomain: TrustDomain; readonly keyFingerprint: string }[];
}

/**
 * Finds the first key of `offered` that was not held before and belongs to our own trust domain or
 * another one. A key speaks for one trust domain only (TDB-42). It looks at X.509 roots and JWT
 * keys, and compares the SubjectPublicKeyInfo. So another certificate over the key, another key ID
 * or the other use does not hide it. A key that was accepted once is not asked about again.
 */
export function findForeignKey(
  held: TrustBundle | undefined,
  offered: TrustBundle,
  { own, others, distrusted = [] }: Surroundings,
): ForeignKey | undefined {
  const before = held && keyFingerprintsOf(held);
  const added = [...keyFingerprintsOf(offered)].filter((key) => !before?.has(key));
  if (added.length === 0) return undefined;
  const taken = (bundle: TrustBundle) => added.find((key) => keyFingerprintsOf(bundle).has(key));
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
  const misnamed = findMisnamedRoot(offered, added);
  if (misnamed) return misnamed;
  for (const { trustDomain, keyFingerprint } of distrusted) {
    if (trustDomain === offered.trustDomain || !added.includes(keyFingerprint)) continue;
    return {
      code: 'distrusted-key-offered',
      message: `${offered.trustDomain} offers a ${useOf(offered, keyFingerprint)} whose key is distrusted as one of ${trustDomain} (${keyFingerprint})`,
    };
  }
  return undefined;
}

/**
 * A new root whose SPIFFE ID is one of another trust domain: often the name of the relationship was
 * mistyped.
 */
function findMisnamedRoot(
  { trustDomain, x509Authorities }: TrustBundle,
  added: readonly string[],
): ForeignKey | undefined {
  for (const root of x509Authorities) {
    const named = added.includes(root.keyFingerprint) ? trustDomainsNamedBy(root) : [];
    const [other] = named;
    if (other === undefined || named.includes(trustDomain)) continue;
    return {
      code: 'root-names-another-trust-domain',
      message: `the root ${root.subject || root.fingerprint} in the bundle of ${trustDomain} has a SPIFFE ID of ${other}`,
    };
  }
  return undefined;
}

function useOf({ x509Authorities }: TrustBundle, key: string): string {
  return x509Authorities.some(({ keyFingerprint }) => keyFingerprint === key) ? 'root' : 'JWT key';
}
