import { createHash } from 'node:crypto';
import type { JwtAuthority, TrustBundle } from '../spiffe/index.ts';
import type { AuthorityRef, VersionChange } from './bundle-version.ts';

const MAX_LABEL_CHARACTERS = 120;

/** The authorities of a bundle as the history names them, each once, in the order of their labels. */
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

/** What `after` has that `before` had not, and the other way round; everything is added when nothing was held. */
export function changeBetween(before: TrustBundle | undefined, after: TrustBundle): VersionChange {
  const old = new Map((before ? authorityRefs(before) : []).map((ref) => [ref.fingerprint, ref]));
  const now = authorityRefs(after);
  const kept = now.filter((ref) => old.has(ref.fingerprint));
  const added = now.filter((ref) => !old.has(ref.fingerprint));
  for (const ref of now) old.delete(ref.fingerprint);
  return { added, removed: [...old.values()], kept };
}

/** Fingerprints are compared by code unit, as SQLite orders them. */
export function byFingerprint(a: AuthorityRef, b: AuthorityRef): number {
  return a.fingerprint < b.fingerprint ? -1 : a.fingerprint > b.fingerprint ? 1 : 0;
}

/** SHA-256 over key ID and public members, so that a key ID given to another key is another authority. */
export function jwtFingerprint(authority: JwtAuthority): string {
  const members = Object.entries(authority.jwk).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return createHash('sha256')
    .update(JSON.stringify([authority.keyId, members]))
    .digest('hex');
}

/**
 * Six digits and a name. The name comes from a peer's certificate and ends on terminals, so whatever could steer one
 * (control, format and line-breaking characters) is replaced, and its length is bounded.
 */
function authorityLabel(fingerprint: string, name: string): string {
  const printable = name.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, '\u{FFFD}');
  const short =
    printable.length > MAX_LABEL_CHARACTERS ? `${printable.slice(0, MAX_LABEL_CHARACTERS)}…` : printable;
  return `${fingerprint.slice(0, 6)} ${short}`.trimEnd();
}
