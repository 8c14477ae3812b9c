import type { PeerVerifier } from '../../mtls/index.ts';
import type { EndpointProfile, ParsedBundle, Pin, TrustDomain } from '../../spiffe/index.ts';
import type { BootstrapProof, InvitationChange } from '../../store/index.ts';
import type { DocumentTag } from '../fetch/fetch-bundle.ts';
import type { Reach } from '../fetch/reach.ts';
import type { RedirectSettings } from '../fetch/redirects.ts';
import type { SignedBundle } from '../signed-bundle/signed-bundle.ts';
import type { TrustedBundles } from '../trust/trusted-bundles.ts';

/** What proves the first bundle of a peer. There is always a proof. */
export type Bootstrap = (
  | {
      readonly kind: 'bundle';
      /**
       * The bytes of a SPIFFE bundle, or of CA certificates in PEM (FED-30), given by the
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
  /** Further addresses, asked in order where the addresses before them do not answer. */
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
  /** Whether the bundle came from the endpoint itself. If not, the first poll comes later. */
  readonly fetched: boolean;
}
