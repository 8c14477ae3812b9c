import { X509Certificate } from 'node:crypto';
import { bundleOf, serializeBundleMap, type TrustBundle, type X509Authority } from '../../spiffe/index.ts';
import type { OwnTrust } from '../contract/mesh-adapter.ts';

/** The bundle map that gRPC reads as `spiffe_trust_bundle_map_file` (gRFC A87). */
export const GRPC_BUNDLE_MAP_FILE = 'grpc-bundles.json';

/**
 * The key types that gRPC's C core and Java take; one root of another kind makes them refuse the
 * whole map.
 */
const GRPC_KEY_TYPES: ReadonlySet<string | undefined> = new Set(['rsa', 'ec']);

/**
 * Renders a bundle map for gRPC's own SPIFFE verification. It contains our roots too, because gRPC
 * then reads no other file. It leaves out what makes an implementation refuse the whole map: JWT
 * keys, roots with Ed25519 keys, sequences.
 */
export function renderGrpcBundleMap(own: OwnTrust, foreign: readonly TrustBundle[]): Uint8Array {
  const all = [
    { trustDomain: own.trustDomain, x509Authorities: own.roots },
    ...foreign.filter(({ trustDomain }) => trustDomain !== own.trustDomain),
  ];
  const bundles = all.map(({ trustDomain, x509Authorities }) =>
    bundleOf(
      trustDomain,
      x509Authorities.filter((authority) => GRPC_KEY_TYPES.has(keyTypeOf(authority))),
    ),
  );
  // A trust domain without roots is not trusted, whether the map names it or not.
  return serializeBundleMap(bundles.filter(({ x509Authorities }) => x509Authorities.length > 0));
}

// The map is rendered at every comparison with the mesh; reading all certificates each time would
// cost the most.
const keyTypes = new WeakMap<X509Authority, string | undefined>();

function keyTypeOf(authority: X509Authority): string | undefined {
  if (!keyTypes.has(authority)) keyTypes.set(authority, readKeyType(authority));
  return keyTypes.get(authority);
}

/** Undefined where OpenSSL cannot read the root, which gRPC could not either. */
function readKeyType({ der }: X509Authority): string | undefined {
  try {
    return new X509Certificate(der).publicKey.asymmetricKeyType;
  } catch {
    return undefined;
  }
}
