import {
  bundleOf,
  pemFromCertificates,
  serializeBundle,
  serializeBundleMap,
  type TrustBundle,
  type TrustDomain,
} from '../../spiffe/index.ts';
import type { OwnTrust } from '../mesh-adapter.ts';
import { GRPC_BUNDLE_MAP_FILE, renderGrpcBundleMap } from './grpc-bundle-map.ts';

/** The file that holds every foreign bundle at once (SPIFFE Trust Domain and Bundle §5). */
const BUNDLE_MAP_FILE = 'bundles.json';

/** The files that are not of one trust domain. */
export const SHARED_FILES: readonly string[] = [BUNDLE_MAP_FILE, GRPC_BUNDLE_MAP_FILE];

/** The names of the files of one trust domain. */
export function filesOf(trustDomain: TrustDomain): { readonly pem: string; readonly bundle: string } {
  return { pem: `${trustDomain}.pem`, bundle: `${trustDomain}.json` };
}

/** Every file that these bundles become, by name: a PEM and a bundle document each, one map of all, and the one for gRPC, which has our own roots too. */
export function renderFiles(bundles: readonly TrustBundle[], own: OwnTrust): ReadonlyMap<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (const bundle of bundles) {
    const { pem, bundle: document } = filesOf(bundle.trustDomain);
    const sorted = [...bundle.x509Authorities].sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1));
    files.set(pem, Buffer.from(pemFromCertificates(sorted.map(({ der }) => der))));
    files.set(document, serializeBundle(bundle));
  }
  files.set(BUNDLE_MAP_FILE, serializeBundleMap(bundles));
  files.set(GRPC_BUNDLE_MAP_FILE, renderGrpcBundleMap(own, bundles));
  return files;
}

/** A bundle with only some of its roots; everything else of it stays. */
export function withRoots(bundle: TrustBundle, roots: TrustBundle['x509Authorities']): TrustBundle {
  const { trustDomain, jwtAuthorities, sequence, refreshHintSeconds } = bundle;
  return bundleOf(trustDomain, roots, {
    jwtAuthorities,
    ...(sequence === undefined ? {} : { sequence }),
    ...(refreshHintSeconds === undefined ? {} : { refreshHintSeconds }),
  });
}
