import { printable } from '../../platform/index.ts';
import { createHash } from 'node:crypto';
import type { JwtAuthority, TrustBundle } from '../../spiffe/index.ts';
import type { AuthorityRef, VersionChange } from './bundle-version.ts';

const MAX_LABEL_CHARACTERS = 120;

/** The authorities of a bundle as the history names them, each once, ordered by label. */
export function authorityRefs(bundle: TrustBundle): AuthorityRef[] {
  const refs = new Map<string, AuthorityRef>();
  for (const { fingerprint, subject } of bundle.x509Authorities) {
    refs.set(fingerprint, { kind: 'x509', fingerprint, label: authorityLabel(fingerprint, subject) });
  }
  for (const authority of bundle.jwtAuthorities) {
    const fingerprint = jwtFingerprint(authority);
    refs.set(fingerprint, {
      kind: 'jwt',
      fingerprint,
      label: authorityLabel(fingerprint, `jwt ${authority.keyId}`),
    });
  }
  return [...refs.values()].sort(byFingerprint);
}

/**
 * The authorities that `after` adds and removes, compared with `before`. Everything is added when
 * nothing was held.
 */
export function changeBetween(
  before: readonly AuthorityRef[],
  after: readonly AuthorityRef[],
): VersionChange {
  const old = new Set(before.map((ref) => ref.fingerprint));
  const now = new Set(after.map((ref) => ref.fingerprint));
  return {
    added: after.filter((ref) => !old.has(ref.fingerprint)),
    removed: before.filter((ref) => !now.has(ref.fingerprint)),
    kept: after.filter((ref) => old.has(ref.fingerprint)),
  };
}

/** The one order of authorities: by code unit, as SQLite orders them. */
export function byFingerprint(a: AuthorityRef, b: AuthorityRef): number {
  return a.fingerprint < b.fingerprint ? -1 : a.fingerprint > b.fingerprint ? 1 : 0;
}

/**
 * SHA-256 over key ID and public members. A key ID that moves to another key is therefore another
 * authority.
 */
export function jwtFingerprint(authority: JwtAuthority): string {
  const members = Object.entries(authority.jwk).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return createHash('sha256')
    .update(JSON.stringify([authority.keyId, members]))
    .digest('hex');
}

/**
 * Six digits and a name. Because the name comes from a peer's certificate and is shown on
 * terminals, it is made printable.
 */
function authorityLabel(fingerprint: string, name: string): string {
  return `${fingerprint.slice(0, 6)} ${printable(name, MAX_LABEL_CHARACTERS)}`.trimEnd();
}
