import { keyNamesOfAuthority, type TrustBundle, type TrustDomain } from '../../spiffe/index.ts';
import { FederationError } from '../fetch/errors.ts';
import { jwtKeyFingerprint } from './key-fingerprints.ts';

/** A key in the form that operators see. */
export interface NamedKey {
  /** SHA-256 of the SubjectPublicKeyInfo, 64 lower-case hex digits. */
  readonly keyFingerprint: string;
  /** Six digits of the certificate or key, and its subject or key ID. */
  readonly label: string;
}

interface Candidate extends NamedKey {
  /** By which digits it can be named. */
  readonly hex: readonly string[];
  readonly keyId?: string;
}

/**
 * Finds the one key that `name` names: a JWT key ID, or at least six of the first hex digits of a
 * fingerprint, with or without `sha256:`. The fingerprint is that of a root's certificate or of a
 * public key. The whole fingerprint of a public key is accepted even where the key is unknown.
 * Throws `FederationError` `key-not-found`, `key-ambiguous`.
 */
export function findKey(
  name: string,
  trustDomain: TrustDomain,
  bundles: readonly TrustBundle[],
  distrusted: readonly NamedKey[] = [],
): NamedKey {
  const candidates = [...bundles.flatMap(candidatesOf), ...distrusted.map(candidateOfDistrusted)];
  const named = candidates.filter(({ keyId }) => keyId === name);
  const isDigest = name.toLowerCase().startsWith('sha256:');
  const digits = name
    .toLowerCase()
    .replace(/^sha256:/, '')
    .replaceAll(':', '');
  const isHex = /^[0-9a-f]{6,64}$/.test(digits);
  const byDigits = isHex ? candidates.filter(({ hex }) => hex.some((each) => each.startsWith(digits))) : [];
  // Key IDs are the peer's choice: one that looks like a digest does not take the place of the key
  // with that digest.
  const [first, second] = isDigest ? [byDigits, named] : [named, byDigits];
  const found = first.length > 0 ? first : second;
  const keys = new Map(found.map((each) => [each.keyFingerprint, each]));
  const [only] = keys.values();
  if (keys.size > 1) {
    throw new FederationError(
      'key-ambiguous',
      `${shown(name)} names ${keys.size} keys of ${trustDomain}: ${[...keys.values()].map(({ label }) => label).join(', ')}`,
    );
  }
  if (only) return { keyFingerprint: only.keyFingerprint, label: only.label };
  if (isHex && digits.length === 64)
    return { keyFingerprint: digits, label: `${digits.slice(0, 6)} (not held)` };
  throw new FederationError(
    'key-not-found',
    `${shown(name)} names no key of ${trustDomain}: it has ${candidates.map(({ label }) => label).join(', ') || 'none'}`,
  );
}

function candidatesOf({ x509Authorities, jwtAuthorities }: TrustBundle): Candidate[] {
  return [
    ...x509Authorities.map((authority) => ({
      keyFingerprint: authority.keyFingerprint,
      label: `${authority.fingerprint.slice(0, 6)} ${authority.subject}`.trimEnd(),
      hex: [authority.fingerprint, ...keyNamesOfAuthority(authority)],
    })),
    ...jwtAuthorities.map((authority) => {
      const keyFingerprint = jwtKeyFingerprint(authority);
      const { keyId } = authority;
      return {
        keyFingerprint,
        keyId,
        label: `${keyFingerprint.slice(0, 6)} jwt ${keyId}`,
        hex: [keyFingerprint],
      };
    }),
  ];
}

/** What the label begins with counts too: the certificate may be in no bundle any more. */
function candidateOfDistrusted({ keyFingerprint, label }: NamedKey): Candidate {
  const [first = ''] = label.split(' ');
  return { keyFingerprint, label, hex: [keyFingerprint, ...(/^[0-9a-f]{6}$/.test(first) ? [first] : [])] };
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 100));
}
