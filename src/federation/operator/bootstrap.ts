import { createSpiffeVerifier, type PeerVerifier } from '../../mtls/index.ts';
import {
  BundleError,
  BundleSet,
  type BundleLimits,
  type BundleSource,
  bundleOf,
  certificatesFromPem,
  CodedError,
  type EndpointProfile,
  isKeyPinned,
  matchPin,
  parseBundle,
  portableAuthorityFromDer,
  type ParsedBundle,
  PemError,
  type Pin,
  pinOfBundle,
  pinOfKey,
  type TrustBundle,
  type TrustDomain,
} from '../../spiffe/index.ts';
import type { BootstrapProof, InvitationChange } from '../../store/index.ts';
import { FederationError, FetchError, type FetchTrace } from '../fetch/errors.ts';
import { type DocumentTag, fetchBundle } from '../fetch/fetch-bundle.ts';
import { provedBy, recordFetch } from '../fetch/fetch-record.ts';
import { OfferedChains } from '../trust/offered-chains.ts';
import type { Reach } from '../fetch/reach.ts';
import type { RedirectSettings } from '../fetch/redirects.ts';
import type { TrustedBundles } from '../trust/trusted-bundles.ts';
import { endpointTrustDomain, hasUsableRoot } from '../fetch/serving.ts';
import { fetchedDocument, limitsOf } from '../signed-bundle/fetched-document.ts';
import { type SignedBundle, unprovedDocument } from '../signed-bundle/signed-bundle.ts';
import { leftOutNotes, whyUnusable } from '../trust/unusable-document.ts';

/** What makes the first bundle of a peer trustworthy (design, section 6). Never nothing. */
export type Bootstrap = (
  | {
      readonly kind: 'bundle';
      /**
       * The bytes of a SPIFFE bundle, or of CA certificates in PEM (FED-30), brought by the
       * operator.
       */
      readonly document: Uint8Array;
      /** What to call the document in the audit log, for instance its file name. */
      readonly name?: string;
    }
  | { readonly kind: 'pin'; readonly pin: Pin }
  | { readonly kind: 'web-pki' }
  /**
   * The bundle that the other side of an invitation has proved, and the change by which the
   * invitation is spent.
   */
  | { readonly kind: 'invitation'; readonly first: InvitedBundle; readonly spent: InvitationChange }
) & {
  /** For `https_web`: the only CAs that count for the endpoint, PEM. */
  readonly caPem?: string;
};

/** The peer and its endpoint, and what vouches for the first bundle. */
export interface BootstrapRequest {
  readonly trustDomain: TrustDomain;
  readonly endpointUrl: string;
  /** Further addresses, asked in order where those before them cannot be. */
  readonly moreEndpointUrls?: readonly string[];
  readonly profile: EndpointProfile;
  readonly bootstrap: Bootstrap;
}

/** What proving a first bundle takes. */
export interface EstablishParts extends Omit<Reach, 'random'> {
  readonly verifier: PeerVerifier;
  readonly redirects: RedirectSettings;
  /** The part of the held bundles that counts. */
  readonly trusted: TrustedBundles;
  /** Refuses SVIDs whose key usage is missing or not critical (X509-11). */
  readonly strictKeyUsage?: boolean | undefined;
}

/** An error names at most this many roots and entries. */
const MOST_SHOWN = 5;

/** The first bundle of a peer from an invitation. */
export type InvitedBundle = Omit<FirstTrust, 'proof'> & { readonly detail: string };

/** A first bundle that has been proved. */
export interface FirstTrust extends ParsedBundle {
  readonly proof: BootstrapProof;
  readonly origin: string;
  readonly provedBy?: string;
  /** The tag of the document, where the endpoint gave it. */
  readonly etag?: DocumentTag;
  /** A signed bundle as it came. */
  readonly signed?: SignedBundle;
  /** Whether the bundle came from the endpoint itself; else its first poll is still to come. */
  readonly fetched: boolean;
}

/**
 * The first bundle of a peer, proved by what the operator brought: the bundle itself, a pin, or Web
 * PKI. Changes nothing. Throws `FederationError` `bootstrap-required` where nothing would prove it,
 * `bootstrap-bundle-invalid`, `bootstrap-bundle-unusable`, `bootstrap-fetch-failed`,
 * `pin-mismatch`.
 */
export async function establishTrust(
  parts: EstablishParts,
  request: BootstrapRequest,
  signal: AbortSignal,
): Promise<FirstTrust> {
  const { bootstrap, profile, endpointUrl, moreEndpointUrls = [] } = request;
  if (bootstrap.kind === 'web-pki' && profile.kind !== 'https_web') {
    throw new FederationError(
      'bootstrap-required',
      `an ${profile.kind} source of ${request.trustDomain} needs proof for its first bundle: give the bundle as a file, or a pin that its operator told you`,
    );
  }
  const first =
    bootstrap.kind === 'bundle'
      ? fromDocument(parts, request, bootstrap)
      : bootstrap.kind === 'invitation'
        ? fromInvitation(bootstrap.first)
        : await fromAnyEndpoint(parts, request, [endpointUrl, ...moreEndpointUrls], signal);
  // What the operator distrusts does not count here either.
  refuseUnusable({ ...first, bundle: parts.trusted.filter(first.bundle) }, profile, parts.clock.now());
  return first;
}

function fromInvitation({ detail, ...first }: InvitedBundle): FirstTrust {
  return { ...first, proof: { kind: 'invitation', detail } };
}

function fromDocument(
  { bundleLimits }: EstablishParts,
  { trustDomain }: BootstrapRequest,
  { document, name = 'given by the operator' }: Extract<Bootstrap, { kind: 'bundle' }>,
): FirstTrust {
  const parsed = parseBundleFile(trustDomain, document, bundleLimits);
  return { ...parsed, proof: { kind: 'bundle-file', detail: name }, origin: name, fetched: false };
}

/**
 * A bundle from a file of the operator: a SPIFFE bundle, or CA certificates in PEM (FED-30). Throws
 * `FederationError` `bootstrap-bundle-invalid`, with what is wrong as its cause.
 */
export function parseBundleFile(
  trustDomain: TrustDomain,
  document: Uint8Array,
  limits: BundleLimits,
): ParsedBundle {
  try {
    const text = Buffer.from(document.buffer, document.byteOffset, document.byteLength);
    if (!text.includes('-----BEGIN')) return parseBundle(trustDomain, document, limits);
    const ders = certificatesFromPem(text.toString('utf8'));
    return { bundle: bundleOf(trustDomain, ders.map(portableAuthorityFromDer)), notes: [] };
  } catch (error) {
    if (error instanceof BundleError || error instanceof PemError)
      throw new FederationError(
        'bootstrap-bundle-invalid',
        `the bundle given for ${trustDomain} cannot be read: ${error.message}`,
        { cause: error },
      );
    throw error;
  }
}

/**
 * The first bundle from the first address that gives one; whatever that one is, it is judged, and
 * no other is asked.
 */
async function fromAnyEndpoint(
  parts: EstablishParts,
  request: BootstrapRequest,
  urls: readonly string[],
  signal: AbortSignal,
): Promise<FirstTrust> {
  let first: unknown;
  for (const endpointUrl of urls) {
    try {
      return await fromEndpoint(parts, { ...request, endpointUrl }, signal);
    } catch (error) {
      const unreachable = error instanceof FederationError && error.code === 'bootstrap-fetch-failed';
      if (!unreachable || signal.aborted) throw error;
      first ??= error;
    }
  }
  throw first;
}

async function fromEndpoint(
  parts: EstablishParts,
  request: BootstrapRequest,
  signal: AbortSignal,
): Promise<FirstTrust> {
  const { trustDomain, endpointUrl, profile, bootstrap } = request;
  // A self-serving endpoint can only be verified with the bundle it is about to offer: its chains
  // are kept until the pin has spoken for that bundle.
  const selfServing = profile.kind === 'https_spiffe' && endpointTrustDomain(profile) === trustDomain;
  const chains = selfServing ? new OfferedChains() : undefined;
  let trace: FetchTrace | undefined;
  try {
    const fetched = await fetchBundle({
      trustDomain,
      endpointUrl,
      profile,
      signal,
      webPkiCaPem: bootstrap.caPem,
      verifier: chains ?? parts.verifier,
      lookup: parts.lookup,
      guard: parts.guard,
      proxy: parts.proxy,
      limits: limitsOf(profile, parts.fetchLimits),
      redirects: parts.redirects,
      clock: parts.clock,
    });
    if (fetched.kind !== 'document') throw new TypeError('unreachable: no tag was sent');
    trace = fetched.trace;
    const brought = await fetchedDocument(fetched, {
      trustDomain,
      profile,
      bundles: pinnedBundles(parts, request, fetched.body),
      now: parts.clock.now(),
      maxDocumentBytes: parts.fetchLimits.maxBodyBytes,
    });
    trace = brought.trace;
    const parsed = parseBundle(trustDomain, brought.document, parts.bundleLimits);
    const proof = prove(parts, request, parsed.bundle, chains);
    recordFetch(parts.log, {
      trustDomain,
      endpointUrl,
      profile,
      trace,
      offer: parsed,
      outcome: { kind: 'bootstrap' },
    });
    const certificates = provedBy(trace);
    return {
      ...parsed,
      proof,
      fetched: true,
      origin: trace.redirects.at(-1) ?? endpointUrl,
      ...(certificates === undefined ? {} : { provedBy: certificates }),
      ...(fetched.etag === undefined ? {} : { etag: fetched.etag }),
      ...(brought.signed ? { signed: brought.signed } : {}),
    };
  } catch (error) {
    const refusal = explain(error, request);
    const code = error instanceof CodedError ? { code: error.code } : {};
    const way = error instanceof FetchError ? (error.trace ?? trace) : trace;
    recordFetch(parts.log, {
      trustDomain,
      endpointUrl,
      profile,
      trace: way,
      error,
      outcome: { kind: 'failed', ...code },
    });
    throw refusal;
  }
}

/**
 * What the signature of a first signed bundle is checked with: of the roots in it, those that the
 * pin names.
 */
function pinnedBundles(
  { bundleLimits, trusted }: EstablishParts,
  request: BootstrapRequest,
  body: Uint8Array,
): BundleSource {
  const document = request.profile.kind === 'signed_bundle' ? unprovedDocument(body) : undefined;
  if (!document || request.bootstrap.kind !== 'pin') return new BundleSet([]);
  const { bundle } = parseBundle(request.trustDomain, document, bundleLimits);
  return new BundleSet([trusted.filter(vouchedBy(request, bundle, request.bootstrap.pin).bundle)]);
}

/**
 * The bundle with those of its roots that a pin vouches for. Throws `FederationError`
 * `pin-mismatch` where there is none.
 */
function vouchedBy({ trustDomain }: BootstrapRequest, offered: TrustBundle, pin: Pin) {
  const named = matchPin(offered, pin);
  if (named === undefined) {
    const keys = offered.x509Authorities.map(({ keyFingerprint }) => pinOfKey(keyFingerprint));
    throw new FederationError(
      'pin-mismatch',
      `the bundle of ${trustDomain} does not match the pin ${pin}: its own pin is ${pinOfBundle(offered)}, those of its root keys are ${keys.join(', ') || 'none'}`,
    );
  }
  const x509Authorities = offered.x509Authorities.filter(
    (authority) => named === 'bundle' || isKeyPinned(authority, pin),
  );
  return { named, bundle: { ...offered, x509Authorities } };
}

function explain(error: unknown, { trustDomain, endpointUrl }: BootstrapRequest): unknown {
  if (error instanceof FederationError || !(error instanceof CodedError)) return error;
  const message = `the first bundle of ${trustDomain} could not be had from ${endpointUrl}: ${error.message}`;
  const code = error instanceof BundleError ? 'bootstrap-bundle-invalid' : 'bootstrap-fetch-failed';
  return new FederationError(code, message, { cause: error });
}

/**
 * Gives the proof of the fetched bundle. A pin of the whole bundle vouches for all of it. A pin of
 * a root's key vouches for that root only. Over `https_spiffe` the endpoint then has to prove
 * itself by that very root, and vouches for the rest, as at every later poll. Over `https_web` Web
 * PKI vouches for the rest.
 */
function prove(
  { clock, trusted, strictKeyUsage }: EstablishParts,
  request: BootstrapRequest,
  offered: TrustBundle,
  chains: OfferedChains | undefined,
): BootstrapProof {
  const { profile, bootstrap, endpointUrl } = request;
  if (bootstrap.kind !== 'pin') {
    return bootstrap.caPem === undefined
      ? { kind: 'web-pki', detail: endpointUrl }
      : { kind: 'web-pki-private-ca', detail: endpointUrl };
  }
  const { pin } = bootstrap;
  const { named, bundle } = vouchedBy(request, offered, pin);
  if (profile.kind === 'signed_bundle')
    return { kind: 'signed-bundle', detail: `${pin}, signed by ${profile.signerId}` };
  if (chains) {
    const bundles = new BundleSet([trusted.filter(bundle)]);
    try {
      chains.verifyWith(createSpiffeVerifier({ bundles, clock, strictKeyUsage }));
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      throw new FetchError(
        'svid-refused',
        `the endpoint offered what the pin names, but showed no X509-SVID under ${named === 'bundle' ? 'it' : 'that root'}: ${error.message}`,
        { cause: error },
      );
    }
  }
  const detail = profile.kind === 'https_web' ? `${pin} and Web PKI` : pin;
  return { kind: named === 'bundle' ? 'bundle-pin' : 'key-pin', detail };
}

/**
 * Refuses a first bundle that verifies nobody: it is a mistake, not a revocation. One whose entries
 * other programs cannot read is let in without keys. Because the peer can mend it, the relationship
 * waits for that and says which entry is wrong. Where only a root of the peer could prove its
 * endpoint, nothing could ever be mended, so that is refused as well.
 */
function refuseUnusable(first: ParsedBundle, profile: EndpointProfile, now: Date): void {
  const { trustDomain, jwtAuthorities } = first.bundle;
  if (hasUsableRoot(first.bundle, now)) return;
  const selfServing = endpointTrustDomain(profile) === trustDomain;
  const why = whyUnusable(first);
  if (!selfServing && (jwtAuthorities.length > 0 || why?.code === 'no-usable-entries')) return;
  throw new FederationError(
    'bootstrap-bundle-unusable',
    `the bundle of ${trustDomain} has no X.509 root that is valid at ${now.toISOString()}: ${whyNoRootCounts(first)}`,
  );
}

/** Why no root of a bundle counts now: when each is valid, and which entries are not used. */
export function whyNoRootCounts(parsed: ParsedBundle): string {
  const roots = parsed.bundle.x509Authorities.map(
    ({ subject, fingerprint, notBefore, notAfter }) =>
      `${subject || fingerprint} is valid from ${notBefore.toISOString()} to ${notAfter.toISOString()}`,
  );
  const found = [...roots, ...leftOutNotes(parsed).map(({ message }) => message)];
  return found.slice(0, MOST_SHOWN).join('; ') || 'it has none at all';
}
