import { defined } from '../../objects/index.ts';
import type { BundleSource } from '../bundle/bundle.ts';
import { contentDigest } from '../bundle/bundle-diff.ts';
import { isTextKind } from '../x509/general-name.ts';
import { parseSpiffeId, pathOf, type SpiffeId, SpiffeIdError, trustDomainOf } from '../id/spiffe-id.ts';
import { SvidError } from './svid-error.ts';
import type { TrustDomain } from '../id/trust-domain.ts';
import { type Certificate, CertificateError, parseCertificate } from '../x509/certificate.ts';
import { EXTENDED_KEY_USAGE_OIDS } from '../x509/extensions.ts';
import { verifyX509Path } from './x509-path.ts';
import { X509PathError } from '../x509/path-error.ts';
import type { PathLimits } from '../x509/path-search.ts';

export type X509SvidErrorCode =
  /** The peer sent no certificate. */
  | 'no-certificate'
  | 'leaf-malformed'
  /** Not exactly one URI among the alternative names (X509-01, X509-02). */
  | 'uri-san-count'
  /** An alternative name with bytes that an IA5String cannot hold (X509-05). */
  | 'san-malformed'
  /** The URI is not a SPIFFE ID; the cause is a `SpiffeIdError` (X509-04). */
  | 'id-invalid'
  /** The ID names a trust domain, not a workload (X509-06). */
  | 'id-without-path'
  /** A signing certificate presented as an identity (X509-07, X509-19). */
  | 'leaf-is-ca'
  /**
   * keyUsage has `keyCertSign` or `cRLSign` (X509-08, X509-09), or lacks `digitalSignature`
   * (X509-11).
   */
  | 'key-usage'
  /** Extended key usage without the role the peer plays (X509-13). */
  | 'extended-key-usage'
  /** An empty subject whose alternative names are not critical (X509-14). */
  | 'san-not-critical'
  /** There is no bundle for the trust domain of the ID (X509-23). */
  | 'no-bundle'
  /** The bundle of that trust domain has no X.509 authority (TDB-04, TDB-31). */
  | 'no-authority'
  /** No path to that bundle's authorities holds; the cause is an `X509PathError`. */
  | 'path-refused';

/** A peer's X509-SVID is not accepted. The claimed ID is what the leaf claims, never proven. */
export class X509SvidError extends SvidError<X509SvidErrorCode> {}

/** A proven X509-SVID. */
export interface X509Svid {
  readonly id: SpiffeId;
  readonly trustDomain: TrustDomain;
  readonly leaf: Uint8Array;
  /** SHA-256 of the leaf, lower-case hex. */
  readonly fingerprint: string;
  /** SHA-256 of the authority's certificate at the end of the path, lower-case hex. */
  readonly anchorFingerprint: string;
  /** `contentDigest` of the bundle that proved it. */
  readonly bundleDigest: string;
  /** The earliest end of validity on the path. */
  readonly notAfter: Date;
  /** Accepted defects that a strict verifier would refuse (X509-11). */
  readonly warnings: readonly X509SvidWarning[];
}

export type X509SvidWarning = 'key-usage-missing' | 'key-usage-not-critical';

export interface X509SvidOptions {
  readonly now: Date;
  /** The role of the peer in TLS. */
  readonly peerRole: 'client' | 'server';
  /** Refuses leaves whose keyUsage is missing or not critical (X509-11). */
  readonly strictKeyUsage?: boolean;
  readonly limits?: Partial<PathLimits>;
  /** Clocks may differ by this much, default 0 (X509-27). */
  readonly leewaySeconds?: number;
}

/**
 * Proves the chain a peer presented, leaf first. Checks the leaf rules, then a path to the
 * authorities of the bundle of the trust domain in the leaf's own ID and to no others (X509-SVID
 * §5; X509-01 to X509-14, X509-19 to X509-25). No key that the source distrusts may be on the path.
 * The handshake proves possession of the leaf's key. Synchronous. Throws `X509SvidError`.
 */
export function verifyX509Svid(
  chain: readonly Uint8Array[],
  source: BundleSource,
  options: X509SvidOptions,
): X509Svid {
  const [leafDer, ...helpers] = chain;
  if (!leafDer) throw new X509SvidError('no-certificate', 'the peer sent no certificate');
  const leaf = readLeaf(leafDer);
  const { id, warnings } = judgeLeaf(leaf, options);
  const trustDomain = trustDomainOf(id);
  const bundle = source.bundleFor(trustDomain);
  if (!bundle) {
    throw new X509SvidError(
      'no-bundle',
      `there is no bundle for trust domain ${trustDomain}, which ${id} belongs to`,
      {
        claimedId: id,
      },
    );
  }
  if (bundle.trustDomain !== trustDomain) {
    throw new TypeError(
      `the bundle source answered for ${trustDomain} with the bundle of ${bundle.trustDomain}`,
    );
  }
  if (bundle.x509Authorities.length === 0) {
    throw new X509SvidError(
      'no-authority',
      `the bundle of trust domain ${trustDomain} has no X.509 authority`,
      {
        claimedId: id,
      },
    );
  }
  const { now, peerRole: purpose, limits, leewaySeconds = 0 } = options;
  const distrustedKeys = source.distrustedKeys?.(trustDomain);
  try {
    const verified = verifyX509Path({
      leaf,
      helpers,
      anchors: bundle.x509Authorities,
      now,
      purpose,
      leewaySeconds,
      ...defined({ distrustedKeys, limits }),
    });
    const anchor = bundle.x509Authorities.find(({ der }) => der === verified.anchor);
    if (!anchor) throw new TypeError('unreachable: the path ends in an authority of the bundle');
    return {
      id,
      trustDomain,
      leaf: leafDer,
      fingerprint: leaf.fingerprint,
      anchorFingerprint: anchor.fingerprint,
      bundleDigest: contentDigest(bundle),
      notAfter: verified.notAfter,
      warnings,
    };
  } catch (error) {
    if (!(error instanceof X509PathError)) throw error;
    throw new X509SvidError(
      'path-refused',
      `${id} is not proven by the bundle of ${trustDomain}: ${error.message}`,
      {
        cause: error,
        claimedId: id,
      },
    );
  }
}

/**
 * The ID of a leaf that passes the leaf rules (X509-SVID §5.2), without any proof. Throws
 * `X509SvidError` as `verifyX509Svid` does, except for the rules on roles, bundles and paths.
 */
export function parseLeafIdentity(leafDer: Uint8Array): SpiffeId {
  return judgeLeaf(readLeaf(leafDer), {}).id;
}

function readLeaf(der: Uint8Array): Certificate {
  try {
    return parseCertificate(der);
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    throw new X509SvidError('leaf-malformed', `the leaf could not be read: ${error.message}`, {
      cause: error,
    });
  }
}

function judgeLeaf(
  leaf: Certificate,
  { peerRole, strictKeyUsage = false }: { peerRole?: 'client' | 'server'; strictKeyUsage?: boolean },
): { id: SpiffeId; warnings: X509SvidWarning[] } {
  const id = readId(leaf);
  const refuse = (code: X509SvidErrorCode, message: string) =>
    new X509SvidError(code, message, { claimedId: id });
  if (leaf.isCa) throw refuse('leaf-is-ca', `a workload's certificate is not a CA, but the one of ${id} is`);
  if (pathOf(id) === '') throw refuse('id-without-path', `the ID of a workload has a path, ${id} has none`);
  const warnings = judgeKeyUsage(leaf, id, strictKeyUsage);
  if (leaf.subjectDer.length === 2 && !leaf.extensions.subjectAltName?.critical) {
    throw refuse(
      'san-not-critical',
      `alternative names are critical where the subject is empty, unlike those of ${id}`,
    );
  }
  if (peerRole) {
    const purposes = leaf.extendedKeyUsage;
    const needed = peerRole === 'client' ? 'clientAuth' : 'serverAuth';
    if (
      purposes &&
      !purposes.has(EXTENDED_KEY_USAGE_OIDS[needed]) &&
      !purposes.has(EXTENDED_KEY_USAGE_OIDS.any)
    ) {
      throw refuse(
        'extended-key-usage',
        `${id} acts as ${peerRole} with a certificate that is not for ${needed}`,
      );
    }
  }
  return { id, warnings };
}

function readId(leaf: Certificate): SpiffeId {
  const names = leaf.extensions.subjectAltName?.names ?? [];
  const uris = names.filter(({ kind }) => kind === 'uri');
  const [uri] = uris;
  if (uris.length !== 1 || !uri) {
    throw new X509SvidError(
      'uri-san-count',
      `an X509-SVID has exactly one URI among its names, this one has ${uris.length}`,
    );
  }
  if (names.some(({ kind, text }) => isTextKind(kind) && text === undefined)) {
    throw new X509SvidError('san-malformed', 'an alternative name holds bytes that are not ASCII, or NUL');
  }
  try {
    return parseSpiffeId(uri.text ?? '');
  } catch (error) {
    if (!(error instanceof SpiffeIdError)) throw error;
    throw new X509SvidError('id-invalid', `the URI of the leaf is not a SPIFFE ID: ${error.message}`, {
      cause: error,
    });
  }
}

function judgeKeyUsage(leaf: Certificate, id: SpiffeId, strict: boolean): X509SvidWarning[] {
  const refuse = (message: string) => new X509SvidError('key-usage', message, { claimedId: id });
  const { keyUsage } = leaf.extensions;
  if (!keyUsage) {
    if (strict) throw refuse(`an X509-SVID has key usage, which that of ${id} lacks`);
    return ['key-usage-missing'];
  }
  for (const usage of ['keyCertSign', 'cRLSign'] as const) {
    if (keyUsage.usages.has(usage))
      throw refuse(`a workload's certificate does not have ${usage}, but that of ${id} has`);
  }
  if (!keyUsage.usages.has('digitalSignature')) {
    throw refuse(`a workload's certificate has digitalSignature, which that of ${id} lacks`);
  }
  if (keyUsage.critical) return [];
  if (strict) throw refuse(`key usage is critical in an X509-SVID, but not in that of ${id}`);
  return ['key-usage-not-critical'];
}
