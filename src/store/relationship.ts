import type { EndpointProfile, TrustDomain } from '../spiffe/index.ts';
import { printable } from './printable.ts';

/**
 * Where a relationship stands: no bundle yet · fresh · last polls failed, last good bundle in use · an offer waits
 * for the operator · its endpoint can no longer be authenticated (FED-58) · ended.
 */
export type RelationshipState =
  | 'pending'
  | 'active'
  | 'failing'
  | 'quarantined'
  | 'needs-bootstrap'
  | 'removed';

/** Why a relationship is in its state: a stable code, and a sentence for people. */
export interface StateReason {
  readonly code: string;
  readonly message: string;
}

/** What the first trust in a peer rested on, for the audit; `detail` names the file, the pin or the CA, never a secret. */
export interface BootstrapProof {
  readonly kind: 'bundle-file' | 'bundle-pin' | 'key-pin' | 'web-pki' | 'web-pki-private-ca';
  readonly detail: string;
}

/** One peer whose bundle we keep fresh, and how that goes (SPIFFE Federation §5). */
export interface Relationship {
  readonly trustDomain: TrustDomain;
  readonly endpointUrl: string;
  readonly profile: EndpointProfile;
  /** The CA file of an `https_web` endpoint that is not in the public Web PKI, PEM. */
  readonly webPkiCaPem?: string;
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
  readonly webPkiCaPem?: string | null;
  readonly state?: RelationshipState;
  readonly stateReason?: StateReason | null;
  readonly lastAttemptAt?: Date | null;
  readonly lastSuccessAt?: Date | null;
  readonly nextPollAt?: Date | null;
  readonly consecutiveFailures?: number;
  readonly bootstrap?: BootstrapProof;
}

/** `relationship` with the fields of `patch` put in, as it is kept: the reason printable and of bounded length. */
export function patchRelationship(relationship: Relationship, patch: RelationshipPatch): Relationship {
  const merged = { ...relationship, ...patch };
  const { webPkiCaPem, stateReason, lastAttemptAt, lastSuccessAt, nextPollAt, ...rest } = merged;
  return {
    ...rest,
    ...(webPkiCaPem == null ? {} : { webPkiCaPem }),
    ...(stateReason == null ? {} : { stateReason: cleanReason(stateReason) }),
    ...(lastAttemptAt == null ? {} : { lastAttemptAt }),
    ...(lastSuccessAt == null ? {} : { lastSuccessAt }),
    ...(nextPollAt == null ? {} : { nextPollAt }),
  };
}

function cleanReason({ code, message }: StateReason): StateReason {
  return { code: printable(code, 100), message: printable(message, 1000) };
}
