/** One thing that stands in the way of a step of a rotation. */
export interface MissingDocument {
  readonly code: string;
  readonly message: string;
  /** The trust domain of the peer it is said of. */
  readonly peer: string | null;
  /** The address of the poller it is said of, where nobody knows who polls. */
  readonly poller: string | null;
  /** When it is over by itself. */
  readonly safe_at: string | null;
}

/** Whether a step is safe, and everything that is missing. */
export interface GateDocument {
  readonly safe: boolean;
  readonly missing: readonly MissingDocument[];
  /** Whom it rests on less than a proof for: `fetch`, was seen to have fetched it; `time`, had the time to. */
  readonly taken: readonly { readonly who: string; readonly by: 'fetch' | 'time' }[];
}

/** A root of our own and where it stands. */
export interface OwnRootDocument {
  readonly fingerprint: string;
  readonly label: string;
  readonly stage: 'published' | 'in-use' | 'retiring' | 'gone';
  readonly since: string;
  /** How the stage is known: `bundle`, `mesh`, `own-svid`, `config`, `only-root`. */
  readonly known_by: string;
  readonly published_at: string;
  readonly in_use_at: string | null;
  readonly retiring_at: string | null;
  readonly not_before: string;
  readonly not_after: string;
  /** Whether the mesh may sign with it. */
  readonly use: GateDocument;
  /** Whether it may go. */
  readonly retire: GateDocument;
}

/** A peer, and what it holds of our bundle. */
export interface RotationPeerDocument {
  readonly trust_domain: string;
  /** How that is known: it proved it, it was inferred from who polls from its address, or it was never seen. */
  readonly known: 'identified' | 'inferred' | 'never-seen';
  readonly sequence: string | null;
  readonly held_since: string | null;
  readonly in_mesh: { readonly progress: string; readonly since: string } | null;
  readonly seen_at: string | null;
  readonly address: string | null;
  /** Whether that is the version that is published now; null where it is not known. */
  readonly newest: boolean | null;
}

/** Somebody who polls without saying who it is, from where no peer is known to be. */
export interface PollerDocument {
  readonly address: string;
  readonly sequence: string | null;
  readonly newest: boolean | null;
  readonly last_seen_at: string;
  readonly requests: number;
}

/** Something about lifetimes, hints and lead times that does not fit together. */
export interface PlanDocument {
  readonly level: 'impossible' | 'risky' | 'note';
  readonly code: string;
  readonly message: string;
}

/** Where the rotation of our own roots stands. */
export interface RotationDocument {
  readonly trust_domain: string;
  readonly sequence: string | null;
  /** How it is known what signs; null where nobody tells. */
  readonly signing_known_by: string | null;
  readonly refresh_hint_seconds: number;
  readonly lead_seconds: number;
  readonly leaf_lifetime_seconds: number;
  readonly settle_seconds: number;
  readonly roots: readonly OwnRootDocument[];
  readonly peers: readonly RotationPeerDocument[];
  readonly pollers: readonly PollerDocument[];
  readonly findings: readonly PlanDocument[];
}
