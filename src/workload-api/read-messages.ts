import type {
  JwtBundlesResponse,
  WorkloadX509Svid,
  X509BundlesResponse,
  X509SvidResponse,
} from '../grpc/index.ts';
import { svidFromDer } from '../mtls/index.ts';
import {
  bundleOf,
  certificatesFromDer,
  CodedError,
  parseJwkSet,
  parseSpiffeId,
  parseTrustDomain,
  type TrustBundle,
  type TrustDomain,
  trustDomainOf,
  x509AuthorityFromDer,
} from '../spiffe/index.ts';
import { WorkloadApiError } from './errors.ts';
import type { OfferedSvid } from './offered-svid.ts';

const MAX_SVIDS = 1000;
const MAX_BUNDLES = 100_000;
/** A longer hint should not be supported (Workload API §5.2.1). */
const MAX_HINT_BYTES = 1024;
const ID_PREFIX = 'spiffe://';

/**
 * Reads the SVIDs of a message of `FetchX509SVID`, at least one; the first is the caller's default
 * identity (WLAPI-26). A message that lacks a required part, or contains an unreadable one, is
 * refused as a whole (WLAPI-16, WLAPI-20): `WorkloadApiError` `message-malformed`. Of two with one
 * hint the first counts (WLAPI-26).
 */
export function readOfferedSvids({ svids }: Pick<X509SvidResponse, 'svids'>): OfferedSvid[] {
  if (svids.length === 0) throw malformed('it has no SVID');
  if (svids.length > MAX_SVIDS) throw malformed(`it has more than ${MAX_SVIDS} SVIDs`);
  const hints = new Set<string>();
  return svids.flatMap((each, index) => {
    const hint = Buffer.byteLength(each.hint) > MAX_HINT_BYTES ? '' : each.hint;
    const offered = { ...readSvid(each, `SVID ${index + 1}`), hint };
    if (hint !== '' && hints.has(hint)) return [];
    hints.add(hint);
    return [offered];
  });
}

/**
 * The bundles that peers are checked with: for each SVID's trust domain the one next to the SVID,
 * for others that of the map (WLAPI-17). Throws `WorkloadApiError` `message-malformed`.
 */
export function readOfferedBundles(
  svids: readonly OfferedSvid[],
  { federated_bundles: federated }: Pick<X509SvidResponse, 'federated_bundles'>,
): TrustBundle[] {
  const own = new Map<TrustDomain, TrustBundle>();
  for (const { bundle } of svids) if (!own.has(bundle.trustDomain)) own.set(bundle.trustDomain, bundle);
  const foreign = readBundleMap(federated, readX509Bundle);
  return [...own.values(), ...foreign.filter(({ trustDomain }) => !own.has(trustDomain))];
}

/**
 * The bundles of a message of `FetchX509Bundles`, at least one. Throws `WorkloadApiError`
 * `message-malformed`.
 */
export function readX509Bundles({ bundles }: Pick<X509BundlesResponse, 'bundles'>): TrustBundle[] {
  return readOwnAndForeign(bundles, readX509Bundle);
}

/**
 * The bundles of a message of `FetchJWTBundles`, at least one, each from a plain JWK Set (WLAPI-22,
 * WLAPI-23). Throws `WorkloadApiError` `message-malformed`.
 */
export function readJwtBundles({ bundles }: JwtBundlesResponse): TrustBundle[] {
  return readOwnAndForeign(bundles, (trustDomain, bytes) =>
    bytes.length === 0 ? bundleOf(trustDomain, []) : parseJwkSet(trustDomain, bytes),
  );
}

type BundleReader = (trustDomain: TrustDomain, bytes: Uint8Array) => TrustBundle;

/** The server's own trust domain is always there (WLAPI-21, WLAPI-22). */
function readOwnAndForeign(map: Readonly<Record<string, Buffer>>, read: BundleReader): TrustBundle[] {
  const bundles = readBundleMap(map, read);
  if (bundles.length === 0) throw malformed('it has no bundle');
  return bundles;
}

function readBundleMap(map: Readonly<Record<string, Buffer>>, read: BundleReader): TrustBundle[] {
  const entries = Object.entries(map);
  if (entries.length > MAX_BUNDLES) throw malformed(`it has more than ${MAX_BUNDLES} bundles`);
  const bundles = entries.map(([key, bytes]) =>
    attempt(`the bundle of ${JSON.stringify(key)}`, () => read(readKey(key), bytes)),
  );
  if (new Set(bundles.map(({ trustDomain }) => trustDomain)).size !== bundles.length)
    throw malformed('it has two bundles of one trust domain');
  return bundles;
}

/**
 * Reads the ID of a trust domain. Its bare name is accepted as well; an ID with a path is not
 * (WLAPI-19).
 */
function readKey(key: string): TrustDomain {
  return parseTrustDomain(key.startsWith(ID_PREFIX) ? key.slice(ID_PREFIX.length) : key);
}

function readSvid(message: WorkloadX509Svid, which: string): Omit<OfferedSvid, 'hint'> {
  return attempt(which, () => {
    for (const field of ['spiffe_id', 'x509_svid', 'x509_svid_key', 'bundle'] as const)
      if (message[field].length === 0) throw malformed(`the field ${field} is empty`);
    const id = parseSpiffeId(message.spiffe_id);
    const svid = svidFromDer(message.x509_svid, message.x509_svid_key);
    if (svid.id !== id) throw malformed(`its ID is ${id}, but its certificate has ${svid.id}`);
    return { svid, bundle: readX509Bundle(trustDomainOf(id), message.bundle) };
  });
}

/** No bytes mean a bundle without roots (WLAPI-25). */
function readX509Bundle(trustDomain: TrustDomain, bytes: Uint8Array): TrustBundle {
  return bundleOf(trustDomain, certificatesFromDer(bytes).map(x509AuthorityFromDer));
}

function attempt<Result>(what: string, read: () => Result): Result {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof CodedError)) throw cause;
    throw malformed(`${what} cannot be used: ${cause.message}`, cause);
  }
}

function malformed(why: string, cause?: unknown): WorkloadApiError {
  return new WorkloadApiError('message-malformed', why, { cause });
}
