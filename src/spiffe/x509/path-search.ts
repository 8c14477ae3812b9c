import { defined } from '../../objects/index.ts';
import { bytesEqual, DerError } from '../base/der.ts';
import type { Certificate } from './certificate.ts';
import { publicKeyOf } from './certificate-key.ts';
import { EXTENDED_KEY_USAGE_OIDS } from './extensions.ts';
import { judgeNames } from './name-constraints.ts';
import {
  describeCertificate,
  type PlacedCertificate,
  referenceTo,
  X509PathError,
  type X509PathErrorCode,
} from './path-error.ts';
import { judgePolicies, type PolicySettings } from './policy.ts';
import { keyRefusal, signatureIsBy, signatureSchemeOf } from './signature.ts';

/** The limits of one verification (X509-37). */
export interface PathLimits {
  /** Issuers above the leaf, the anchor included. */
  readonly maxDepth: number;
  /** Certificates sent, the leaf included. */
  readonly maxCertificates: number;
  /** Bytes sent in all. */
  readonly maxBytes: number;
  readonly maxSignatureChecks: number;
  readonly maxNameComparisons: number;
  /** Candidate issuers examined, over all attempts. */
  readonly maxCandidates: number;
}

export const defaultPathLimits: PathLimits = {
  maxDepth: 8,
  maxCertificates: 16,
  maxBytes: 65_536,
  maxSignatureChecks: 64,
  maxNameComparisons: 50_000,
  maxCandidates: 2_000,
};

/** The inputs of a search. */
interface PathSearchSettings {
  readonly helpers: readonly PlacedCertificate[];
  readonly anchors: readonly PlacedCertificate[];
  readonly limits: PathLimits;
  readonly nowSeconds: number;
  readonly leewaySeconds: number;
  readonly purpose: 'client' | 'server' | undefined;
  readonly policies: PolicySettings | undefined;
  /** Helpers that could not be read, as sentences. */
  readonly unreadable: readonly string[];
}

type Path = readonly PlacedCertificate[];

/** Refusals that only mean that a candidate was not the issuer. */
const SEARCHING: ReadonlySet<X509PathErrorCode> = new Set([
  'issuer-not-found',
  'issuer-name-empty',
  'signature-invalid',
]);

/**
 * A search from the leaf upwards. A candidate issuer joins the path only if it passes every rule of
 * RFC 5280 §6.1 that it and the certificates below it decide. A path that reaches an anchor then
 * needs only its policies judged. For one search.
 */
export class PathSearch {
  readonly #settings: PathSearchSettings;
  readonly #signatures = new Map<Certificate, Map<Certificate, boolean>>();
  #signatureChecks = 0;
  #nameComparisons = 0;
  #candidates = 0;
  #furthest: { readonly rank: number; readonly error: X509PathError } | undefined;

  constructor(settings: PathSearchSettings) {
    this.#settings = settings;
  }

  /** The path, leaf first and anchor last. Throws `X509PathError`. */
  from(leaf: PlacedCertificate): Path {
    this.#judgeLeaf(leaf);
    const path = this.#extend([leaf]);
    if (path) return path;
    const error = this.#furthest?.error;
    if (!error) throw new TypeError('unreachable: a search without a path notes why');
    throw this.#withUnreadable(error);
  }

  /** A sent certificate that could not be read may be the missing one. */
  #withUnreadable(error: X509PathError): X509PathError {
    const { unreadable } = this.#settings;
    if (unreadable.length === 0 || !SEARCHING.has(error.code)) return error;
    const { certificate } = error;
    const options = defined({ certificate });
    return new X509PathError(error.code, [error.message, ...unreadable].join('; '), options);
  }

  #judgeLeaf(leaf: PlacedCertificate): void {
    const refusal =
      this.#certificateRefusal(leaf) ??
      this.#keyRefusal(leaf) ??
      this.#profileRefusal(leaf) ??
      this.#purposeRefusal(leaf);
    if (refusal) throw refusal;
  }

  #extend(path: Path): Path | undefined {
    const top = path.at(-1);
    if (!top) return undefined;
    for (const candidate of this.#candidatesFor(top.certificate)) {
      const { maxCandidates } = this.#settings.limits;
      this.#count('search-limit', ++this.#candidates, maxCandidates, 'candidate issuers', top);
      if (path.some((below) => isSameAuthority(below.certificate, candidate.certificate))) continue;
      const refusal = this.#refusal(path, top, candidate);
      if (refusal) {
        this.#note(path, refusal);
        continue;
      }
      const longer = [...path, candidate];
      const whole = candidate.role === 'anchor' ? this.#withPolicies(longer) : this.#extend(longer);
      if (whole) return whole;
    }
    // Counts only where no candidate came. Of equal refusals the first is kept, and every candidate
    // left one at least.
    const issuer = JSON.stringify(top.certificate.issuer);
    const why = `no anchor and no sent certificate is the issuer ${issuer} of`;
    this.#note(path, refuse('issuer-not-found', top, why));
    return undefined;
  }

  #withPolicies(path: Path): Path | undefined {
    const problem = judgePolicies(
      path
        .slice(0, -1)
        .map(({ certificate }) => certificate)
        .reverse(),
      this.#settings.policies,
    );
    if (problem === undefined) return path;
    const about = path.at(-2 - problem.index);
    if (!about) throw new TypeError('unreachable: policies are judged of the certificates of the path');
    this.#note(path, refuse('policy-refused', about, `${problem.message}, at`));
    return undefined;
  }

  /**
   * Same name first by bytes, then by folded text; anchors before helpers; key identifiers only
   * order (X509-29).
   */
  *#candidatesFor(certificate: Certificate): Generator<PlacedCertificate> {
    const { anchors, helpers } = this.#settings;
    const byKeyId = (a: PlacedCertificate, b: PlacedCertificate) =>
      keyIdRank(certificate, a.certificate) - keyIdRank(certificate, b.certificate);
    const bears = (other: PlacedCertificate) =>
      bytesEqual(other.certificate.subjectDer, certificate.issuerDer);
    for (const pool of [anchors, helpers]) yield* pool.filter(bears).sort(byKeyId);
    const bearsFolded = (other: PlacedCertificate) =>
      !bears(other) && other.certificate.subjectKey === certificate.issuerKey;
    for (const pool of [anchors, helpers]) yield* pool.filter(bearsFolded).sort(byKeyId);
  }

  #refusal(path: Path, child: PlacedCertificate, issuer: PlacedCertificate): X509PathError | undefined {
    const { limits } = this.#settings;
    if (path.length > limits.maxDepth) {
      return refuse(
        'path-too-long',
        issuer,
        `a path has at most ${limits.maxDepth} issuers, which leaves no room for`,
      );
    }
    return (
      this.#keyRefusal(issuer) ??
      namelessRefusal(child, issuer) ??
      this.#signatureRefusal(child, issuer) ??
      this.#certificateRefusal(issuer) ??
      this.#issuerRefusal(path, issuer) ??
      this.#purposeRefusal(issuer) ??
      this.#nameRefusal(path, issuer)
    );
  }

  /** The rules for every certificate of a path, including the leaf and the anchor. */
  #certificateRefusal(placed: PlacedCertificate): X509PathError | undefined {
    const { nowSeconds, leewaySeconds } = this.#settings;
    const { certificate } = placed;
    const { notBefore, notAfter } = certificate;
    if (notBefore.getTime() / 1000 > nowSeconds + leewaySeconds) {
      return refuse('not-yet-valid', placed, `validity begins only at ${notBefore.toISOString()} for`);
    }
    if (notAfter.getTime() / 1000 < nowSeconds - leewaySeconds) {
      return refuse('expired', placed, `validity ended at ${notAfter.toISOString()} for`);
    }
    const [unknown] = certificate.extensions.unknownCritical;
    if (unknown !== undefined) {
      return refuse('unknown-critical-extension', placed, `critical extension ${unknown} is not known, in`);
    }
    return undefined;
  }

  /** What RFC 5280 §4 forbids a certificate that is not a CA, or has no subject. */
  #profileRefusal(leaf: PlacedCertificate): X509PathError | undefined {
    const { isCa, keyUsage, extensions, subjectDer } = leaf.certificate;
    if (!isCa && keyUsage?.has('keyCertSign')) {
      return refuse('profile-violated', leaf, 'keyCertSign is for CAs (§4.2.1.9), not for');
    }
    if (!isCa && extensions.nameConstraints) {
      return refuse('profile-violated', leaf, 'name constraints are for CAs (§4.2.1.10), not for');
    }
    if (subjectDer.length === 2 && !extensions.subjectAltName?.critical) {
      const why = 'without a subject the alternative names are critical (§4.2.1.6), unlike in';
      return refuse('profile-violated', leaf, why);
    }
    return undefined;
  }

  #keyRefusal(placed: PlacedCertificate): X509PathError | undefined {
    try {
      const problem = keyRefusal(publicKeyOf(placed.certificate));
      return problem === undefined ? undefined : refuse('key-refused', placed, `${problem}, in`);
    } catch (error) {
      if (!(error instanceof DerError)) throw error;
      return refuse('key-refused', placed, `${error.message}, in`, error);
    }
  }

  #signatureRefusal(child: PlacedCertificate, issuer: PlacedCertificate): X509PathError | undefined {
    const { certificate } = child;
    let scheme: ReturnType<typeof signatureSchemeOf>;
    try {
      scheme = signatureSchemeOf(certificate.signatureAlgorithm);
    } catch (error) {
      if (!(error instanceof DerError)) throw error;
      return refuse('signature-algorithm-refused', child, `${error.message}, in`, error);
    }
    if (!scheme) {
      const { oid } = certificate.signatureAlgorithm;
      return refuse('signature-algorithm-refused', child, `signature algorithm ${oid} is not accepted, in`);
    }
    const known = this.#signatures.get(certificate) ?? new Map<Certificate, boolean>();
    this.#signatures.set(certificate, known);
    let valid = known.get(issuer.certificate);
    if (valid === undefined) {
      const { maxSignatureChecks } = this.#settings.limits;
      this.#count('signature-limit', ++this.#signatureChecks, maxSignatureChecks, 'signature checks', child);
      valid = signatureIsBy(certificate, scheme, issuer.certificate);
      known.set(issuer.certificate, valid);
    }
    if (valid) return undefined;
    return refuse(
      'signature-invalid',
      child,
      `the key of ${describeCertificate(issuer)} did not make the signature of`,
    );
  }

  #issuerRefusal(path: Path, issuer: PlacedCertificate): X509PathError | undefined {
    const { certificate } = issuer;
    if (!certificate.isCa)
      return refuse('issuer-not-a-ca', issuer, 'an issuer is a CA by its basic constraints, unlike');
    if (certificate.keyUsage && !certificate.keyUsage.has('keyCertSign')) {
      return refuse('issuer-may-not-sign', issuer, 'an issuer with key usage has keyCertSign, unlike');
    }
    const { pathLength } = certificate;
    if (pathLength === undefined) return undefined;
    const between = path.slice(1).filter((below) => !below.certificate.isSelfIssued).length;
    if (between <= pathLength) return undefined;
    return refuse(
      'path-length-exceeded',
      issuer,
      `${between} intermediates stand below a path length of ${pathLength}, of`,
    );
  }

  #purposeRefusal(placed: PlacedCertificate): X509PathError | undefined {
    const { purpose } = this.#settings;
    const { extendedKeyUsage } = placed.certificate;
    if (!purpose || !extendedKeyUsage) return undefined;
    const needed = purpose === 'client' ? 'clientAuth' : 'serverAuth';
    if (
      extendedKeyUsage.has(EXTENDED_KEY_USAGE_OIDS[needed]) ||
      extendedKeyUsage.has(EXTENDED_KEY_USAGE_OIDS.any)
    ) {
      return undefined;
    }
    return refuse('purpose-refused', placed, `extended key usage does not allow ${needed}, in`);
  }

  #nameRefusal(path: Path, issuer: PlacedCertificate): X509PathError | undefined {
    const constraints = issuer.certificate.extensions.nameConstraints;
    if (!constraints) return undefined;
    for (const [index, below] of path.entries()) {
      // RFC 5280 §6.1.3 (b) and (c): self-issued certificates are exempt, except the last one of
      // the path.
      if (index > 0 && below.certificate.isSelfIssued) continue;
      const { maxNameComparisons: limit } = this.#settings.limits;
      const verdict = judgeNames(constraints, below.certificate.constrainedNames, () =>
        this.#count('name-comparison-limit', ++this.#nameComparisons, limit, 'name comparisons', below),
      );
      if (verdict.kind === 'within') continue;
      const where = `the name constraints of ${describeCertificate(issuer)}`;
      return verdict.kind === 'outside'
        ? refuse('name-not-permitted', below, `${verdict.name.shown} is outside ${where}, in`)
        : refuse(
            'name-constraint-unprocessable',
            below,
            `${verdict.name.shown} cannot be compared with ${where}, in`,
          );
    }
    return undefined;
  }

  /**
   * Ends the whole search after too much work of one kind, and names the certificate it was working
   * on.
   */
  #count(code: X509PathErrorCode, used: number, limit: number, what: string, about: PlacedCertificate): void {
    if (used > limit) throw refuse(code, about, `a path was not found within ${limit} ${what}, the last for`);
  }

  /**
   * Keeps the most informative refusal: a broken rule before a missing issuer or another key, then
   * the longer path.
   */
  #note(path: Path, error: X509PathError): void {
    const isSearching = SEARCHING.has(error.code);
    const rank = path.length + (isSearching ? 0 : 1000);
    if (!this.#furthest || rank > this.#furthest.rank) this.#furthest = { rank, error };
  }
}

/**
 * An empty issuer name identifies no one, so the key identifiers have to: Consul's secondary
 * datacenters issue such certificates (X509-26). They limit the candidates; only the signature
 * proves.
 */
function namelessRefusal(child: PlacedCertificate, issuer: PlacedCertificate): X509PathError | undefined {
  const { issuerDer, authorityKeyId } = child.certificate;
  if (issuerDer.length !== 2) return undefined;
  if (issuer.role === 'anchor') return refuse('issuer-name-empty', issuer, 'an anchor has a name, unlike');
  if (authorityKeyId !== undefined && authorityKeyId === issuer.certificate.subjectKeyId) return undefined;
  const why = 'the issuer name is empty, and the key identifiers do not name an issuer, in';
  return refuse('issuer-name-empty', child, why);
}

function refuse(
  code: X509PathErrorCode,
  about: PlacedCertificate,
  why: string,
  cause?: Error,
): X509PathError {
  return new X509PathError(code, `${why} ${describeCertificate(about)}`, {
    certificate: referenceTo(about),
    ...defined({ cause }),
  });
}

/**
 * The same name and key are the same authority, however often it was certified, so no path uses it
 * twice.
 */
function isSameAuthority(a: Certificate, b: Certificate): boolean {
  return a.keyFingerprint === b.keyFingerprint && bytesEqual(a.subjectDer, b.subjectDer);
}

function keyIdRank(child: Certificate, issuer: Certificate): number {
  if (child.authorityKeyId === undefined || issuer.subjectKeyId === undefined) return 1;
  return child.authorityKeyId === issuer.subjectKeyId ? 0 : 2;
}
