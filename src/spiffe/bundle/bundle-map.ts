import type { TrustBundle } from './bundle.ts';
import { bundleText, type ParsedBundle, parseBundleJson } from './bundle-document.ts';
import { BundleError } from './bundle-error.ts';
import { type BundleLimits, defaultBundleLimits, readBundle } from './bundle-reader.ts';
import { isTrustDomain, type TrustDomain } from '../id/trust-domain.ts';

/**
 * The bundles of a bundle map (SPIFFE Trust Domain and Bundle §5), all or none. Its hints are the
 * publisher's and do not apply to the map (MAP-04). A repeated trust domain, also in an escaped
 * spelling, refuses the map (MAP-03). So does one bad name or bundle (MAP-06). Throws
 * `BundleError`: `bundle-not-json`, `bundle-too-large`, `bundle-too-many-entries`, `map-not-a-map`,
 * `map-trust-domain`, `map-bundle`.
 */
export function parseBundleMap(
  bytes: Uint8Array,
  limits: BundleLimits = defaultBundleLimits,
): ReadonlyMap<TrustDomain, ParsedBundle> {
  const document = parseBundleJson(bytes, limits);
  const members = document instanceof Map ? document.get('trust_domains') : undefined;
  if (!(members instanceof Map)) {
    throw new BundleError('map-not-a-map', 'a bundle map is a JSON object with an object "trust_domains"');
  }
  const bundles = new Map<TrustDomain, ParsedBundle>();
  let maxEntries = limits.maxEntries;
  for (const [name, value] of members) {
    if (!isTrustDomain(name)) {
      throw new BundleError(
        'map-trust-domain',
        `the key ${JSON.stringify(name.slice(0, 80))} of a bundle map is not a trust domain`,
      );
    }
    maxEntries -= 1;
    if (maxEntries < 0)
      throw new BundleError(
        'bundle-too-many-entries',
        `a bundle map has at most ${limits.maxEntries} bundles and entries`,
      );
    try {
      const parsed = readBundle(name, value, { ...limits, maxEntries }, 'portable');
      maxEntries -= parsed.bundle.x509Authorities.length + parsed.bundle.jwtAuthorities.length;
      bundles.set(name, parsed);
    } catch (error) {
      if (!(error instanceof BundleError)) throw error;
      throw new BundleError('map-bundle', `the bundle of ${name} is refused: ${error.message}`, {
        cause: error,
      });
    }
  }
  return bundles;
}

/**
 * The canonical bundle map of these bundles, by trust domain, without their refresh hints (MAP-01,
 * MAP-02, MAP-04).
 */
export function serializeBundleMap(bundles: Iterable<TrustBundle>): Uint8Array {
  const byName = new Map<TrustDomain, TrustBundle>();
  for (const bundle of bundles) {
    if (byName.has(bundle.trustDomain))
      throw new TypeError(`a bundle map holds one bundle of ${bundle.trustDomain}`);
    byName.set(bundle.trustDomain, bundle);
  }
  const members = [...byName]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, bundle]) => `${JSON.stringify(name)}:${bundleText(bundle, { withHint: false })}`);
  return Buffer.from(`{"trust_domains":{${members.join(',')}}}\n`);
}
