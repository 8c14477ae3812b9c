import { defined } from '../../objects/index.ts';
import { CodedError } from '../../spiffe/index.ts';
import type { TheirReport } from './their-side.ts';

/**
 * Why one fetch of a bundle document failed; nothing was learned and nothing changes (invariant 2).
 */
export type FetchErrorCode =
  | 'url-refused'
  | 'connect-failed'
  | 'connect-timeout'
  /** An address that the operator has forbidden, or that an invitation may not lead to. */
  | 'address-forbidden'
  /** The TCP connection to `federation.proxy` did not come about. */
  | 'proxy-unreachable'
  /** The proxy gave no answer in time, another status than 2xx, or no HTTP. */
  | 'proxy-timeout'
  | 'proxy-refused'
  | 'proxy-answer-invalid'
  /**
   * The file with the credentials for the proxy cannot be read, is open to others, or has another
   * form.
   */
  | 'proxy-credentials-unusable'
  | 'tls-failed'
  | 'tls-timeout'
  /** `https_web`: chain, validity or host name of the server certificate (FED-26). */
  | 'web-certificate-refused'
  /**
   * `https_spiffe`: the server certificate is not a valid X509-SVID of the endpoint's trust domain
   * (FED-27).
   */
  | 'svid-refused'
  /**
   * `https_spiffe`: a valid X509-SVID, but of another SPIFFE ID than the configured one (FED-27,
   * FED-37).
   */
  | 'endpoint-id-mismatch'
  | 'first-byte-timeout'
  | 'total-timeout'
  /** The connection ended, or spoke no HTTP, before the response was whole. */
  | 'response-broken'
  /** Any status but 200, or 304 that we did not ask for (FED-34). */
  | 'status-refused'
  | 'content-encoding-refused'
  | 'body-too-large'
  /** `signed_bundle` from a file: it is not there, no file, or not for us to read. */
  | 'file-unreadable'
  | 'redirects-off'
  | 'redirect-refused'
  | 'too-many-redirects'
  /** The fetch was called off: the relationship was removed or the agent stops. */
  | 'called-off';

/** The way a fetch went, for the record that every fetch leaves (FED-43). */
export interface FetchTrace {
  /** The redirect targets that were followed, in order. */
  readonly redirects: readonly string[];
  /**
   * SHA-256 of the certificate that the last endpoint proved itself with, and of the root above it;
   * absent before a proof.
   */
  readonly leafFingerprint?: string;
  readonly rootFingerprint?: string;
  readonly durationMs: number;
  /** What the endpoint reports about its side, where we have proved our identity. */
  readonly theirReport?: TheirReport;
}

/** A fetch that gave no document. */
export class FetchError extends CodedError<FetchErrorCode> {
  readonly trace: FetchTrace | undefined;

  constructor(code: FetchErrorCode, message: string, options: ErrorOptions & { trace?: FetchTrace } = {}) {
    super(code, message, defined({ cause: options.cause }));
    this.trace = options.trace;
  }
}

/**
 * Why a request of the operator to the federation agent was not carried out.
 */
export type FederationErrorCode =
  | 'own-trust-domain'
  | 'already-federated'
  | 'not-federated'
  | 'relationship-invalid'
  /** No proof that would make the first bundle trustworthy was given. */
  | 'bootstrap-required'
  | 'bootstrap-bundle-invalid'
  /** The first bundle has no key that could verify anything. */
  | 'bootstrap-bundle-unusable'
  | 'bootstrap-fetch-failed'
  | 'pin-mismatch'
  /** The endpoint's SPIFFE ID lies in a trust domain that we hold no bundle of (FED-31). */
  | 'endpoint-trust-domain-unknown'
  /** Two or more trust domains would serve each other's bundles (FED-33). */
  | 'serving-cycle'
  | 'own-root-offered'
  | 'root-of-another-trust-domain'
  | 'root-names-another-trust-domain'
  | 'distrusted-key-offered'
  /** No key that we know, or more than one, has the name the operator gave. */
  | 'key-not-found'
  | 'key-ambiguous'
  /** A key is to be trusted again that is not distrusted. */
  | 'not-distrusted'
  /** A distrust is to end before it begins. */
  | 'distrust-over'
  /** Without this key we would publish no key at all, and the operator has not confirmed that. */
  | 'last-own-key'
  /**
   * Without this key peers would refuse the agent's own SVID, and the operator has not confirmed
   * that.
   */
  | 'own-svid-key'
  /**
   * The operator decides about an offer, and there is none or another one now, or the endpoint
   * cannot be asked.
   */
  | 'nothing-waits'
  | 'offer-changed'
  | 'offer-not-confirmed'
  | 'not-rejected'
  | 'not-started';

/** A refused request of the operator. */
export class FederationError extends CodedError<FederationErrorCode> {}
