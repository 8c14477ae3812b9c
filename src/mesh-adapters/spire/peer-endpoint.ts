import type { EndpointProfile, TrustDomain } from '../../spiffe/index.ts';

/** Where SPIRE may fetch the bundle of a peer by itself, or why it had better not. */
export type PeerEndpoint =
  | { readonly url: string; readonly profile: Exclude<EndpointProfile, { kind: 'signed_bundle' }> }
  | { readonly why: string };

/** Reports for each peer the endpoint of its bundle. */
export type PeerEndpoints = (trustDomain: TrustDomain) => PeerEndpoint;
