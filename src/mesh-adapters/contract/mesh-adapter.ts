import type { JwtAuthority, TrustBundle, TrustDomain, X509Authority } from '../../spiffe/index.ts';

/**
 * What the mesh beside us signs its identities with: its trust domain and every root and JWT key,
 * retiring ones included.
 */
export interface OwnTrust {
  readonly trustDomain: TrustDomain;
  readonly roots: readonly X509Authority[];
  /** The keys of its JWT-SVIDs, where the mesh has a place that tells them. */
  readonly jwtAuthorities?: readonly JwtAuthority[];
  /**
   * Fingerprints of the roots that sign identities now, where the mesh tells it; absent where
   * nobody knows.
   */
  readonly signing?: readonly string[];
  /**
   * False where the place was seen in this state only once, so that what is missing may only be
   * late: as a file that is being written, or one of two objects. The same is reported again,
   * confirmed, after a second look. Absent where it is confirmed.
   */
  readonly isConfirmed?: boolean;
}

/**
 * How far a root that is written reaches: only identities of its own trust domain, only one
 * destination, or every identity there is (docs/meshes/README.md).
 */
export type TrustScope = 'per-trust-domain' | 'per-destination' | 'merged';

/**
 * How far a foreign bundle came: `written` into the mesh's configuration, `accepted` by its control
 * plane, `in-effect` at its proxies; `refused` by us or by the mesh, `failed` and to be tried
 * again, `removed` (rule 8).
 */
export type PropagationState =
  | 'pending'
  | 'written'
  | 'accepted'
  | 'in-effect'
  | 'refused'
  | 'failed'
  | 'removed';

export interface ForeignTrustReport {
  readonly trustDomain: TrustDomain;
  readonly state: PropagationState;
  /**
   * `contentDigest` of the bundle this is about; absent where nothing of the trust domain is
   * wanted.
   */
  readonly digest?: string;
  /**
   * Why, where the state is `refused` or `failed`; beside any other state something the operator
   * should know.
   */
  readonly code?: string;
  readonly message?: string;
  /**
   * Whether roots that have ended may still stand where verifiers read them, as where somebody else
   * brings them there; absent where only the state tells.
   */
  readonly endedRootsStand?: boolean;
  readonly at: Date;
}

/** Foreign trust in a mesh that bears our mark, whether this agent knows of it or not. */
export interface PresentTrust {
  readonly trustDomain: TrustDomain;
  /**
   * The roots that stand there, or the narrowed anchors that have their names and keys. Undefined
   * where the mesh does not show them.
   */
  readonly roots?: readonly X509Authority[];
  /** The place in the mesh, in words for an operator. */
  readonly where: string;
}

export interface AdapterStatus {
  /** Whether the mesh answered when it was last asked. */
  readonly connected: boolean;
  readonly code?: string;
  readonly message?: string;
  /** Since when that is so. */
  readonly since?: Date;
  readonly lastContactAt?: Date;
}

/** Every kind of mesh that there is an adapter for. */
export type MeshKind = 'istio' | 'consul' | 'kuma' | 'linkerd' | 'spire' | 'vault' | 'files';

/** One mesh, seen from the agent beside it: its own roots out, foreign bundles in. */
export interface MeshAdapter {
  readonly kind: MeshKind;
  readonly scope: TrustScope;
  /**
   * The own roots now, then again after each change, until the signal aborts. Trouble is retried
   * inside with backoff and told by log and `status()`; the iteration itself does not fail.
   */
  watchOwnTrust(signal: AbortSignal): AsyncIterable<OwnTrust>;
  /**
   * Makes the mesh hold exactly these foreign bundles; doing it again changes nothing. Own entries
   * of other trust domains go, entries that are not ours stay. A refusal of one trust domain does
   * not stop the others. What is not told of, nothing is there of. `told` were told of as more than
   * gone so far. Throws `MeshAdapterError` when the mesh cannot be read or written at all. What
   * stands in the mesh of the trust domains in `kept` stays as it is and is not reported; none of
   * them is wanted.
   */
  applyForeignTrust(
    wanted: readonly TrustBundle[],
    signal: AbortSignal,
    told?: ReadonlySet<TrustDomain>,
    kept?: ReadonlySet<TrustDomain>,
  ): Promise<readonly ForeignTrustReport[]>;
  /**
   * Reads what stands in the mesh with our mark, by trust domain; changes nothing. Throws
   * `MeshAdapterError`.
   */
  presentTrust(signal: AbortSignal): Promise<readonly PresentTrust[]>;
  /**
   * Calls back when the propagation changes later: a peering stream's ACK, a lost stream. Returns
   * what ends that.
   */
  onReport(listener: (report: ForeignTrustReport) => void): () => void;
  /**
   * Calls back when the mesh has made something of what was written, or answers again and may have
   * lost it, so that comparing again tells more. Returns what ends that.
   */
  onProgress(listener: () => void): () => void;
  status(): AdapterStatus;
  stop(): Promise<void>;
}
