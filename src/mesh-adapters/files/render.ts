import { defined } from '../../objects/index.ts';
import {
  bundleOf,
  certificatesFromPem,
  currentRoots,
  pemFromCertificates,
  readingProblem,
  serializeBundle,
  serializeBundleMap,
  type TrustBundle,
  type TrustDomain,
  x509AuthorityFromDer,
} from '../../spiffe/index.ts';
import type { OwnTrust } from '../contract/mesh-adapter.ts';
import { GRPC_BUNDLE_MAP_FILE, renderGrpcBundleMap } from './grpc-bundle-map.ts';

/** The file that holds every foreign bundle at once (SPIFFE Trust Domain and Bundle §5). */
const BUNDLE_MAP_FILE = 'bundles.json';

/** The files that are not of one trust domain. */
export const SHARED_FILES: readonly string[] = [BUNDLE_MAP_FILE, GRPC_BUNDLE_MAP_FILE];

/** The names of the files of one trust domain. */
export function filesOf(trustDomain: TrustDomain): { readonly pem: string; readonly bundle: string } {
  return { pem: `${trustDomain}.pem`, bundle: `${trustDomain}.json` };
}

/** The files of one peer. */
export interface PeerFiles {
  readonly bundle: TrustBundle;
  /** Empty where the bundle has no roots. */
  readonly pem: Uint8Array;
  readonly document: Uint8Array;
}

/**
 * Renders the files of one peer, its roots in a fixed order. Throws where a certificate or a key
 * has no text form.
 */
export function renderPeerFiles(bundle: TrustBundle): PeerFiles {
  const sorted = [...bundle.x509Authorities].sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1));
  return {
    bundle,
    pem: Buffer.from(pemFromCertificates(sorted.map(({ der }) => der))),
    document: serializeBundle(bundle),
  };
}

/**
 * Renders the maps of all bundles, by file name: one of the foreign bundles, and one for gRPC with
 * our own roots too. In the first map the trust domains in `ended`, and those without roots, have a
 * root with a key that does not exist. Because Envoy refuses a whole map for one empty list of
 * keys, and an empty map, it would keep its previous trust in all peers.
 */
export function renderMaps(
  bundles: readonly TrustBundle[],
  own: OwnTrust,
  {
    ended,
    nobody,
    now,
  }: { readonly ended: Iterable<TrustDomain>; readonly nobody: string | undefined; readonly now: Date },
): ReadonlyMap<string, Uint8Array> {
  const nobodys = nobody === undefined ? [] : certificatesFromPem(nobody).map(x509AuthorityFromDer);
  const ends = [...ended].map((trustDomain) => bundleOf(trustDomain, []));
  const mapped = [...bundles, ...ends].map((bundle) =>
    bundle.x509Authorities.length === 0 ? withRoots(bundle, nobodys) : bundle,
  );
  // Of our own roots as of others': a reader refuses the whole map for one that it cannot read.
  const roots = currentRoots(own.roots, now).filter((root) => readingProblem(root) === undefined);
  return new Map([
    [BUNDLE_MAP_FILE, serializeBundleMap(mapped)],
    [GRPC_BUNDLE_MAP_FILE, renderGrpcBundleMap({ ...own, roots }, bundles)],
  ]);
}

/** A bundle with only some of its roots; everything else of it stays. */
export function withRoots(bundle: TrustBundle, roots: TrustBundle['x509Authorities']): TrustBundle {
  const { trustDomain, jwtAuthorities, sequence, refreshHintSeconds } = bundle;
  return bundleOf(trustDomain, roots, {
    jwtAuthorities,
    ...defined({ sequence, refreshHintSeconds }),
  });
}
