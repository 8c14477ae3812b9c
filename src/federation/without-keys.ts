import type { TrustBundle } from '../spiffe/index.ts';
import { jwtKeyFingerprint, keyFingerprintsOf } from './key-fingerprints.ts';

// Asked for at every verification, for bundles that live for hours.
const known = new WeakMap<TrustBundle, { readonly keys: ReadonlySet<string>; readonly rest: TrustBundle }>();

/**
 * A bundle without these keys (SHA-256 of the SubjectPublicKeyInfo): no X.509 root over them, under whatever certificate,
 * and no JWT key, under whatever key ID. The bundle itself where it has none of them. Pure.
 */
export function withoutKeys(bundle: TrustBundle, keys: ReadonlySet<string>): TrustBundle {
  const before = known.get(bundle);
  if (before?.keys === keys) return before.rest;
  const touched = [...keyFingerprintsOf(bundle)].some((key) => keys.has(key));
  const rest = touched
    ? {
        ...bundle,
        x509Authorities: bundle.x509Authorities.filter(({ keyFingerprint }) => !keys.has(keyFingerprint)),
        jwtAuthorities: bundle.jwtAuthorities.filter((authority) => !keys.has(jwtKeyFingerprint(authority))),
      }
    : bundle;
  known.set(bundle, { keys, rest });
  return rest;
}
