import type { TrustBundle, X509Authority } from './bundle.ts';

/**
 * The roots to give out at an instant. An expired root proves nothing. BoringSSL takes the first of
 * several roots with one name, whatever its dates are. So an expired root next to its renewal makes
 * Envoy refuse every identity of the trust domain. For the same reason a future root is left out
 * while one with its name and key is valid. Any other future root is given out early, so that peers
 * have it before it signs. Returns the same array where nothing is left out.
 */
export function currentRoots(roots: readonly X509Authority[], now: Date): readonly X509Authority[] {
  const alive = roots.filter(({ notAfter }) => now < notAfter);
  const valid = new Set(alive.filter(({ notBefore }) => notBefore <= now).map(nameAndKey));
  const current = alive.filter((root) => root.notBefore <= now || !valid.has(nameAndKey(root)));
  return current.length === roots.length ? roots : current;
}

/** A bundle with only its `currentRoots`. The bundle itself where these are all. */
export function currentPart(bundle: TrustBundle, now: Date): TrustBundle {
  const x509Authorities = currentRoots(bundle.x509Authorities, now);
  return x509Authorities === bundle.x509Authorities ? bundle : { ...bundle, x509Authorities };
}

function nameAndKey({ subject, keyFingerprint }: X509Authority): string {
  return `${keyFingerprint} ${subject}`;
}
