import { keyNamesOfAuthority, type TrustBundle } from '../../spiffe/index.ts';
import { jwtKeyFingerprint } from './key-fingerprints.ts';

// Asked for at every verification, for bundles that live for hours.
const known = new WeakMap<TrustBundle, { readonly keys: ReadonlySet<string>; readonly rest: TrustBundle }>();

/**
 * A bundle without these keys, by their `keyFingerprint`: no X.509 root over them, under whatever
 * certificate, and no JWT key, under whatever key ID. The bundle itself where it has none of them.
 * Pure.
 */
export function withoutKeys(bundle: TrustBundle, keys: ReadonlySet<string>): TrustBundle {
  const before = known.get(bundle);
  if (before?.keys === keys) return before.rest;
  const isOut = (names: readonly string[]) => names.some((name) => keys.has(name));
  const x509Authorities = bundle.x509Authorities.filter((root) => !isOut(keyNamesOfAuthority(root)));
  const jwtAuthorities = bundle.jwtAuthorities.filter((key) => !isOut([jwtKeyFingerprint(key)]));
  const touched =
    x509Authorities.length < bundle.x509Authorities.length ||
    jwtAuthorities.length < bundle.jwtAuthorities.length;
  const rest = touched ? { ...bundle, x509Authorities, jwtAuthorities } : bundle;
  known.set(bundle, { keys, rest });
  return rest;
}
