/**
 * The admin API's documents: plain JSON, instants as ISO 8601 UTC text, sequences as decimal text (they have 64
 * bits), digests and fingerprints as 64 hex digits. `--output json` prints these as they are.
 */

import type { DistrustedKeyDocument } from './distrust-documents.ts';
import type { IdentityDocument } from './identity-documents.ts';
import type { InMeshDocument } from './in-mesh-document.ts';
import type { WarningCode } from './warning-codes.ts';
import type { WorkloadApiDocument } from './workload-api-documents.ts';
/** How a peer's bundle is proved: by who serves it, or by who signed it. */
export type ProfileName = 'https_web' | 'https_spiffe' | 'signed_bundle';

/** What waits for the operator, see docs/operations.md. */
export type PolicyName = 'auto' | 'ask-on-dangerous' | 'ask-always';

export interface AuthorityDocument {
  readonly fingerprint: string;
  readonly key_fingerprint: string;
  readonly subject: string;
  readonly not_before: string;
  readonly not_after: string;
}

/** An entry of a peer's bundle that is not used. `entry` counts from 1. */
export interface LeftOutDocument {
  readonly entry: number;
  readonly code: string;
  readonly message: string;
}

export interface BundleDocument {
  readonly trust_domain: string;
  readonly version: number;
  readonly sequence: string | null;
  readonly refresh_hint_seconds: number | null;
  readonly digest: string;
  readonly pin: string;
  readonly received_at: string;
  readonly verdict: string;
  readonly origin: string;
  readonly x509_authorities: readonly AuthorityDocument[];
  readonly jwt_key_ids: readonly string[];
  /** Which entries of the document that the peer gave last are not used; empty for an earlier instant. */
  readonly left_out: readonly LeftOutDocument[];
  /** The SPIFFE bundle document itself. */
  readonly document: string;
}

/** One key that a version added or removed; `label` is six digits of the fingerprint and the subject or key ID. */
export interface ChangedAuthorityDocument {
  readonly kind: 'x509' | 'jwt';
  readonly fingerprint: string;
  readonly label: string;
}

export interface VersionDocument {
  readonly trust_domain: string;
  readonly version: number;
  readonly sequence: string | null;
  readonly digest: string;
  readonly received_at: string;
  readonly verdict: string;
  readonly origin: string;
  readonly proved_by: string | null;
  readonly added: readonly ChangedAuthorityDocument[];
  readonly removed: readonly ChangedAuthorityDocument[];
}

/** Something that went wrong for a while: repeated failures are one incident, counted. */
export interface IncidentDocument {
  readonly began_at: string;
  readonly last_at: string;
  readonly ended_at: string | null;
  readonly count: number;
  readonly kind: string;
  readonly code: string;
  readonly message: string;
}

export interface EventDocument {
  /** Grows with every event of the store. */
  readonly id: number;
  readonly at: string;
  readonly kind: string;
  readonly trust_domain: string | null;
  readonly actor: string;
  readonly code: string | null;
  readonly message: string;
}

export interface HistoryDocument {
  readonly trust_domain: string;
  readonly versions: readonly VersionDocument[];
  readonly incidents: readonly IncidentDocument[];
  readonly events: readonly EventDocument[];
}

export interface EndpointDocument {
  readonly url: string;
  /** Whether the next poll begins with it. */
  readonly in_use: boolean;
  readonly last_success_at: string | null;
  readonly last_failure_at: string | null;
  readonly last_failure_code: string | null;
  readonly last_failure: string | null;
}

/** Something that needs an operator's hand: an endpoint that shows different bundles, a history that was doctored. */
export interface WarningDocument {
  /** Null where the warning is about this agent itself. */
  readonly trust_domain: string | null;
  readonly code: WarningCode;
  readonly message: string;
  readonly since: string;
}

export interface RelationshipDocument {
  readonly trust_domain: string;
  readonly endpoint_url: string;
  readonly more_endpoint_urls: readonly string[];
  /** How each address did since the agent started. */
  readonly endpoints: readonly EndpointDocument[];
  readonly profile: ProfileName;
  readonly endpoint_id: string | null;
  /** With `signed_bundle`: whose signature counts. */
  readonly signer_id: string | null;
  /** Whether the peer says that it holds a relationship with us, or no longer; null where it never said so. */
  readonly their_side: {
    readonly state: 'held' | 'ended';
    readonly since: string;
    /** When it said last that it holds one, since the agent started. */
    readonly last_heard_at: string | null;
  } | null;
  readonly policy: PolicyName;
  /** After so many seconds without a good poll it is trusted no more until the next one; null: never. */
  readonly stale_after_seconds: number | null;
  readonly state: string;
  readonly reason: { readonly code: string; readonly message: string } | null;
  readonly bootstrap: string;
  /** Its keys that do not count because the operator said so. */
  readonly distrusted: readonly DistrustedKeyDocument[];
  readonly created_at: string;
  readonly last_attempt_at: string | null;
  readonly last_success_at: string | null;
  readonly next_poll_at: string | null;
  readonly consecutive_failures: number;
  readonly sequence: string | null;
  readonly warnings: readonly WarningDocument[];
  readonly version: number | null;
  /** The roots and JWT keys that are held. */
  readonly authorities: number;
  /** How many of them count: without distrusted keys, and none while the peer is stale. */
  readonly authorities_counting: number;
  /** Null where the mesh has nothing of it. */
  readonly in_mesh: InMeshDocument | null;
  /** What the peer has proved that it holds of our bundle, with its last request that said so; null where it never did. */
  readonly peer_holds: {
    readonly digest: string;
    readonly sequence: string | null;
    readonly since: string;
    /** How far it came in the peer's mesh. */
    readonly in_mesh: { readonly progress: string; readonly since: string } | null;
    readonly signer: string;
    readonly seen_at: string;
  } | null;
}

export interface StatusDocument {
  readonly ready: boolean;
  readonly trust_domain: string | null;
  readonly started_at: string;
  readonly own: {
    readonly sequence: string | null;
    /** Null while the store cannot be read. */
    readonly version: number | null;
    readonly authorities: number;
    readonly pin: string;
  } | null;
  readonly endpoint: {
    readonly url: string;
    readonly profile: string;
    readonly endpoint_id: string | null;
    /** On the agent's machine: the file with the CA of an `https_web` endpoint that is not in the public Web PKI. */
    readonly ca_file: string | null;
    readonly serving: boolean;
  };
  /** The SPIFFE ID whose signature is this agent's; null where it has no SVID (yet). */
  readonly agent_id: string | null;
  /** Null where the config names no SVID. */
  readonly identity: IdentityDocument | null;
  readonly mesh: {
    readonly kind: string;
    readonly scope: string;
    readonly connected: boolean;
    readonly code: string | null;
    readonly message: string | null;
  };
  /** Null where the config names no workload socket. */
  readonly workload_api: WorkloadApiDocument | null;
  readonly warnings: readonly WarningDocument[];
  readonly relationships: { readonly total: number; readonly by_state: Readonly<Record<string, number>> };
}

export interface AddDocument {
  readonly trust_domain: string;
  readonly endpoint_url: string;
  readonly profile: ProfileName;
  readonly endpoint_id?: string;
  /** With `signed_bundle`: whose signature counts. */
  readonly signer_id?: string;
  /** One of `bundle` (a SPIFFE bundle document or PEM), `pin`, `web_pki`, or `from_mesh`. */
  readonly bundle?: string;
  readonly pin?: string;
  readonly web_pki?: boolean;
  /** The keys that stand in our own mesh without a record prove the first bundle. */
  readonly from_mesh?: boolean;
  readonly ca_pem?: string;
  /** Further addresses of the same endpoint, tried in order. */
  readonly more_endpoint_urls?: readonly string[];
  readonly policy?: PolicyName;
  readonly stale_after_seconds?: number;
  /** Takes the first bundle although a key of it belongs to, or names, another trust domain; on record. */
  readonly even_foreign_keys?: boolean;
}

/** What came of taking a peer's trust out of the mesh. */
export interface OutOfMeshDocument {
  /** What the mesh still has of it; null once it has nothing. */
  readonly in_mesh: InMeshDocument | null;
  /** What readers of the mesh's configuration still have to do, where it has nothing of it any more; null where that is nothing. */
  readonly note: { readonly code: string; readonly message: string } | null;
}

export interface RemovedDocument extends OutOfMeshDocument {
  readonly trust_domain: string;
  readonly removed: true;
}

/** A bundle that the operator puts in the place of the held one. */
export interface SetBundleDocument {
  /** A SPIFFE bundle document, or CA certificates in PEM. */
  readonly document: string;
  /** What the history calls it, for instance its file name. */
  readonly name: string;
  readonly reason?: string;
}

/** What was set, and how the endpoint answered when it was asked right after. */
export interface BundleSetDocument {
  readonly trust_domain: string;
  readonly version: number;
  readonly poll: RefreshDocument;
}

/** New parameters of a relationship; what is left out stays. */
export interface ChangeDocument {
  readonly endpoint_url?: string;
  readonly profile?: ProfileName;
  readonly endpoint_id?: string;
  readonly signer_id?: string;
  /** The private CA of an `https_web` endpoint; `null` goes back to the public ones. */
  readonly ca_pem?: string | null;
  /** Further addresses; none is an empty list. */
  readonly more_endpoint_urls?: readonly string[];
  readonly policy?: PolicyName;
  /** `null` ends the limit. */
  readonly stale_after_seconds?: number | null;
  readonly reason?: string;
}

export interface DiffDocument {
  readonly trust_domain: string;
  readonly from: number | null;
  readonly to: number;
  readonly added: readonly ChangedAuthorityDocument[];
  readonly removed: readonly ChangedAuthorityDocument[];
  readonly kept: readonly ChangedAuthorityDocument[];
}

export interface RefreshDocument {
  readonly trust_domain: string;
  readonly outcome: string;
  readonly code: string | null;
  readonly message: string | null;
  /** Which entries of the peer's bundle are not used. */
  readonly left_out: readonly LeftOutDocument[];
}

/** How a relationship stands after the operator has added or changed it, and what needs a hand about it. */
export interface StandingDocument extends RefreshDocument {
  readonly state: string;
  readonly warnings: readonly WarningDocument[];
}

export interface VerifyDocument {
  readonly accepted: boolean;
  readonly spiffe_id: string | null;
  readonly trust_domain: string | null;
  readonly anchor: AuthorityDocument | null;
  /** The version in the history whose bundle proved it. */
  readonly bundle_version: number | null;
  readonly bundle_digest: string | null;
  readonly not_after: string | null;
  /** What was let pass although a strict verifier would refuse it. */
  readonly warnings: readonly string[];
  readonly code: string | null;
  readonly message: string | null;
}

export interface VerifyJwtDocument {
  readonly accepted: boolean;
  readonly spiffe_id: string | null;
  readonly trust_domain: string | null;
  /** What the token says its subject is, also where it is refused and nobody has proven it. */
  readonly claimed_id: string | null;
  /** Everyone the token is for; empty where it is refused. */
  readonly audiences: readonly string[];
  /** The JWT key that made the signature. */
  readonly key: { readonly key_id: string; readonly algorithm: string } | null;
  /** The version in the history whose bundle proved it. */
  readonly bundle_version: number | null;
  readonly bundle_digest: string | null;
  readonly not_after: string | null;
  readonly code: string | null;
  readonly message: string | null;
}

/** The form of every error answer. */
export interface ProblemDocument {
  readonly code: string;
  readonly message: string;
}
