import { hash } from 'node:crypto';
import type { X509Authority } from '../bundle/bundle.ts';
import { Certificate, CertificateError } from '../x509/certificate.ts';
import { type PlacedCertificate, X509PathError } from '../x509/path-error.ts';
import { type PathLimits, PathSearch, defaultPathLimits } from '../x509/path-search.ts';
import type { PolicySettings } from '../x509/policy.ts';

/** The inputs of a path search: RFC 5280 §6.1.1, with explicit anchors and without names. */
export interface PathInput {
  /** DER, or the certificate where it has been read already. */
  readonly leaf: Uint8Array | Certificate;
  /**
   * Certificates the peer sent with its leaf: helpers, never anchors (X509-25). In any order,
   * surplus allowed.
   */
  readonly helpers: readonly Uint8Array[];
  /** Where a path may end, self-signed or not (X509-24). */
  readonly anchors: readonly X509Authority[] | readonly Uint8Array[];
  /** Keys, by their `keyFingerprint`, whose certificates are skipped as helper and as anchor. */
  readonly distrustedKeys?: ReadonlySet<string>;
  readonly now: Date;
  /** The use of the leaf; without it, extended key usage is ignored. */
  readonly purpose?: 'client' | 'server';
  readonly limits?: Partial<PathLimits>;
  /** Clocks may differ by this much, default 0 (X509-27). */
  readonly leewaySeconds?: number;
  /** Required certificate policies; by default any (RFC 5280 §6.1.1 (c) to (g)). */
  readonly policies?: PolicySettings;
}

/** A valid path, leaf first and anchor last, and the earliest end of validity on it. */
export interface VerifiedPath {
  readonly path: readonly Uint8Array[];
  readonly anchor: Uint8Array;
  readonly notAfter: Date;
}

// A bundle's authorities live as long as the bundle. Reading them again for every peer would cost
// more than the rest.
const readAnchors = new WeakMap<X509Authority, Certificate>();

/**
 * Searches a path from the leaf to one of the anchors and validates it (RFC 5280 §6, X509-24 to
 * X509-29, X509-31 to X509-34, X509-36 to X509-38). Tries every candidate issuer, in bounded work.
 * Synchronous. Throws `X509PathError`, whose code and certificate are those of the longest attempt,
 * and `RangeError` for an invalid `now` or a leeway below 0 seconds.
 */
export function verifyX509Path(input: PathInput): VerifiedPath {
  const { leewaySeconds = 0 } = input;
  const nowSeconds = Math.floor(input.now.getTime() / 1000);
  // Every comparison with NaN is false, so with an invalid date nothing would have expired.
  if (!Number.isFinite(nowSeconds) || !Number.isFinite(leewaySeconds) || leewaySeconds < 0) {
    throw new RangeError('a path is judged at an instant that exists, with a leeway of zero seconds or more');
  }
  const limits = { ...defaultPathLimits, ...input.limits };
  const sent = 1 + input.helpers.length;
  if (sent > limits.maxCertificates) {
    throw new X509PathError(
      'too-many-certificates',
      `a chain has at most ${limits.maxCertificates} certificates, this one has ${sent}`,
    );
  }
  const leafDer = input.leaf instanceof Certificate ? input.leaf.der : input.leaf;
  const bytes = input.helpers.reduce((sum, helper) => sum + helper.length, leafDer.length);
  if (bytes > limits.maxBytes) {
    throw new X509PathError(
      'too-many-bytes',
      `a chain has at most ${limits.maxBytes} bytes, this one has ${bytes}`,
    );
  }
  const leaf: PlacedCertificate = { certificate: readLeaf(input.leaf), role: 'leaf', index: 0 };
  const unreadable: string[] = [];
  const helpers = input.helpers.flatMap((der, index) => {
    const read = readHelper(der);
    if (read instanceof Certificate) return place(read, 'helper', index);
    unreadable.push(`helper ${index} could not be read: ${read}`);
    return [];
  });
  const anchors = input.anchors.flatMap((anchor, index) =>
    place(anchor instanceof Uint8Array ? readOrSkip(anchor) : readAuthority(anchor), 'anchor', index),
  );
  const { distrustedKeys } = input;
  const usable = ({ certificate }: PlacedCertificate) =>
    !distrustedKeys || !certificate.keyNames.some((name) => distrustedKeys.has(name));
  const search = new PathSearch({
    helpers: helpers.filter(usable),
    anchors: anchors.filter(usable),
    limits,
    nowSeconds,
    leewaySeconds,
    purpose: input.purpose,
    policies: input.policies,
    unreadable,
  });
  const path = search.from(leaf).map(({ certificate }) => certificate);
  const notAfter = new Date(Math.min(...path.map((certificate) => certificate.notAfter.getTime())));
  const anchor = path.at(-1);
  if (!anchor) throw new TypeError('unreachable: a path holds at least the leaf and an anchor');
  return { path: path.map(({ der }) => der), anchor: anchor.der, notAfter };
}

function readLeaf(der: Uint8Array | Certificate): Certificate {
  if (der instanceof Certificate) return der;
  try {
    return new Certificate(der);
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    throw new X509PathError('certificate-malformed', `the leaf could not be read: ${error.message}`, {
      cause: error,
      certificate: { role: 'leaf', index: 0, subject: '', fingerprint: hash('sha256', der, 'hex') },
    });
  }
}

/**
 * A helper, or why it cannot be read and is therefore skipped. Surplus is ignored (X509-38), and a
 * helper adds no trust.
 */
function readHelper(der: Uint8Array): Certificate | string {
  try {
    return new Certificate(der);
  } catch (error) {
    if (error instanceof CertificateError) return error.message;
    throw error;
  }
}

function readOrSkip(der: Uint8Array): Certificate | undefined {
  try {
    return new Certificate(der);
  } catch (error) {
    if (error instanceof CertificateError) return undefined;
    throw error;
  }
}

function readAuthority(authority: X509Authority): Certificate | undefined {
  const known = readAnchors.get(authority);
  if (known) return known;
  const certificate = readOrSkip(authority.der);
  if (certificate) readAnchors.set(authority, certificate);
  return certificate;
}

function place(
  certificate: Certificate | undefined,
  role: PlacedCertificate['role'],
  index: number,
): PlacedCertificate[] {
  return certificate ? [{ certificate, role, index }] : [];
}
