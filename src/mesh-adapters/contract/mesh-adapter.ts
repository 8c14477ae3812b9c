import type { JwtAuthority, TrustBundle, TrustDomain, X509Authority } from '../../spiffe/index.ts';
import type { MeshServices } from './mesh-services.ts';
import type { PropagationState } from './propagation-state.ts';

/**
 * What the local mesh signs its identities with: its trust domain and every root and JWT key,
 * retiring ones included.
 */
export interface OwnTrust {
  readonly trustDomain: TrustDomain;
  readonly roots: readonly X509Authority[];
  /** The keys of its JWT-SVIDs, where the mesh publishes them. */
  readonly jwtAuthorities?: readonly JwtAuthority[];
  /**
   * Fingerprints of the roots that sign identities now. Absent where the mesh does not report them.
   */
  readonly signing?: readonly string[];
  /**
   * False where the place was seen in this state only once. Then something that is missing may only
   * be late, such as a file that is being written, or one of two objects. The same is reported
   * again, confirmed, after a second look. Absent where it is confirmed.
   */
  readonly isConfirmed?: boolean;
}

/**
 * How far a root that is written reaches: only identities of its own trust domain, only one
 * destination, or every identity there is.
 */
export type TrustScope = 'per-trust-domain' | 'per-destination' | 'merged';

export interface ForeignTrustReport {
  readonly trustDomain: TrustDomain;
  readonly state: PropagationState;
  /**
   * `contentDigest` of the bundle that this report is about. Absent where nothing of the trust
   * domain is wanted.
   */
  readonly digest?: string;
  /** The reason for state `refused` or `failed`. In any other state a note for the operator. */
  readonly code?: string;
  readonly message?: string;
  /**
   * Whether ended roots may still stand where verifiers read them, for example because another
   * program copies them there. Absent where only the state shows it.
   */
  readonly endedRootsStand?: boolean;
  readonly at: Date;
}

/** Foreign trust in a mesh that has our mark, whether this agent knows its trust domain or not. */
export interface PresentTrust {
  readonly trustDomain: TrustDomain;
  /**
   * The roots that stand there, or the narrowed anchors with their names and keys. Undefined where
   * the mesh does not show them.
   */
  readonly roots?: readonly X509Authority[];
  /** The place in the mesh, in words for an operator. */
  readonly where: string;
}

export interface AdapterStatus {
  /** Whether the mesh answered the last request. */
  readonly connected: boolean;
  readonly code?: string;
  readonly message?: string;
  /** The time of the last change of `reachable`. */
  readonly since?: Date;
  readonly lastContactAt?: Date;
}

/** Every kind of mesh that there is an adapter for. */
export type MeshKind = 'istio' | 'consul' | 'kuma' | 'linkerd' | 'spire' | 'vault' | 'files';

/** One mesh, from the agent's side: its own roots out, foreign bundles in. */
export interface MeshAdapter {
  readonly kind: MeshKind;
  readonly scope: TrustScope;
  /**
   * Yields the own roots now and again after each change, until the signal aborts. The adapter
   * retries trouble with backoff and reports it by log and `status()`; the iteration itself does
   * not fail.
   */
  watchOwnTrust(signal: AbortSignal): AsyncIterable<OwnTrust>;
  /**
   * Makes the mesh hold exactly these foreign bundles; a second call changes nothing. Our entries
   * of other trust domains are removed, entries of others stay. A refusal of one trust domain does
   * not stop the others. A trust domain without a report has nothing in the mesh. `reported` are
   * the trust domains that the last report did not call gone. What the mesh holds of the trust
   * domains in `kept` stays as it is and is not reported; none of them is wanted. Throws
   * `MeshAdapterError` when the mesh cannot be read or written at all.
   */
  applyForeignTrust(
    wanted: readonly TrustBundle[],
    signal: AbortSignal,
    reported?: ReadonlySet<TrustDomain>,
    kept?: ReadonlySet<TrustDomain>,
  ): Promise<readonly ForeignTrustReport[]>;
  /**
   * Reads what the mesh holds with our mark, by trust domain; changes nothing. Throws
   * `MeshAdapterError`.
   */
  presentTrust(signal: AbortSignal): Promise<readonly PresentTrust[]>;
  /**
   * Calls back when the propagation changes later: a peering stream's ACK, a lost stream. Returns
   * what ends that.
   */
  onReport(listener: (report: ForeignTrustReport) => void): () => void;
  /**
   * Calls back when the mesh has applied a write, or answers again and may have lost one. A new
   * comparison then shows more. Returns a function that ends the subscription.
   */
  onProgress(listener: () => void): () => void;
  status(): AdapterStatus;
  /** Services of the mesh and of peers; absent where the mesh knows no services. */
  readonly services?: MeshServices;
  stop(): Promise<void>;
}
