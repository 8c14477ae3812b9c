import { printable } from '../../platform/index.ts';
import type { EndpointProfile, SpiffeId, TrustDomain } from '../../spiffe/index.ts';

/**
 * Where a relationship stands: no bundle yet · agreed, but not yet approved by our operator · fresh
 * · last polls failed, last good bundle in use · changes too often, last good bundle in use · too
 * old to be trusted (FED-57) · an offer waits for the operator · its endpoint can no longer be
 * authenticated (FED-58) · ended.
 */
export type RelationshipState =
  | 'pending'
  | 'awaiting-approval'
  | 'active'
  | 'failing'
  | 'flapping'
  | 'stale'
  | 'quarantined'
  | 'needs-bootstrap'
  | 'removed';

/** Why a relationship is in its state: a stable code, and a sentence for people. */
export interface StateReason {
  readonly code: string;
  readonly message: string;
}

/**
 * What the first trust in a peer rested on, for the audit. `detail` names the file, the pin or the
 * CA, never a secret.
 */
export interface BootstrapProof {
  readonly kind:
    | 'bundle-file'
    | 'bundle-pin'
    | 'key-pin'
    | 'web-pki'
    | 'web-pki-private-ca'
    | 'invitation'
    | 'signed-bundle';
  readonly detail: string;
}

/**
 * Which changes of a peer's roots wait for the operator: as few as the invariants allow · dangerous
 * ones (the default) · every one.
 */
export type ChangePolicy = 'auto' | 'ask-on-dangerous' | 'ask-always';

/** One peer whose bundle we keep fresh, and the state of that work (SPIFFE Federation §5). */
export interface Relationship {
  readonly trustDomain: TrustDomain;
  readonly endpointUrl: string;
  /** Further addresses of the same endpoint, tried in order after `endpointUrl`. */
  readonly moreEndpointUrls?: readonly string[];
  readonly profile: EndpointProfile;
  /** The CA file of an `https_web` endpoint that is not in the public Web PKI, PEM. */
  readonly webPkiCaPem?: string;
  /**
   * The SPIFFE ID whose signed statements count as the peer's own, where it is not the endpoint ID.
   */
  readonly agentId?: SpiffeId;
  /** Default `ask-on-dangerous`. */
  readonly policy?: ChangePolicy;
  /**
   * After this many seconds without a good poll, the peer is not trusted until the next one
   * (FED-57). Default: never.
   */
  readonly staleAfterSeconds?: number;
  readonly state: RelationshipState;
  readonly stateReason?: StateReason;
  readonly lastAttemptAt?: Date;
  readonly lastSuccessAt?: Date;
  readonly nextPollAt?: Date;
  readonly consecutiveFailures: number;
  readonly createdAt: Date;
  readonly bootstrap: BootstrapProof;
}

/** The columns of a relationship that change; a field left out stays, `null` empties it. */
export interface RelationshipPatch {
  readonly endpointUrl?: string;
  readonly profile?: EndpointProfile;
  readonly moreEndpointUrls?: readonly string[];
  readonly webPkiCaPem?: string | null;
  readonly agentId?: SpiffeId | null;
  readonly policy?: ChangePolicy;
  readonly staleAfterSeconds?: number | null;
  readonly state?: RelationshipState;
  readonly stateReason?: StateReason | null;
  readonly lastAttemptAt?: Date | null;
  readonly lastSuccessAt?: Date | null;
  readonly nextPollAt?: Date | null;
  readonly consecutiveFailures?: number;
  readonly bootstrap?: BootstrapProof;
}

/**
 * Applies `patch` to `relationship` and returns it as stored: the reason printable and of bounded
 * length, a default policy and an empty list of addresses left out.
 */
export function patchRelationship(relationship: Relationship, patch: RelationshipPatch): Relationship {
  const merged = { ...relationship, ...patch };
  const { webPkiCaPem, stateReason, lastAttemptAt, lastSuccessAt, nextPollAt, ...others } = merged;
  const { moreEndpointUrls = [], agentId, policy, staleAfterSeconds, ...rest } = others;
  return {
    ...rest,
    ...(moreEndpointUrls.length === 0 ? {} : { moreEndpointUrls }),
    ...(policy === undefined || policy === 'ask-on-dangerous' ? {} : { policy }),
    ...(webPkiCaPem == null ? {} : { webPkiCaPem }),
    ...(agentId == null ? {} : { agentId }),
    ...(staleAfterSeconds == null ? {} : { staleAfterSeconds }),
    ...(stateReason == null ? {} : { stateReason: cleanReason(stateReason) }),
    ...(lastAttemptAt == null ? {} : { lastAttemptAt }),
    ...(lastSuccessAt == null ? {} : { lastSuccessAt }),
    ...(nextPollAt == null ? {} : { nextPollAt }),
  };
}

export function cleanReason({ code, message }: StateReason): StateReason {
  return { code: printable(code, 100), message: printable(message, 1000) };
}
