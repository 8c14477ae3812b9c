import type { InMeshDocument } from './in-mesh-document.ts';

/** The admin API's documents about keys that the operator distrusts. */

/** A key that does not count, whatever the bundles say. */
export interface DistrustedKeyDocument {
  readonly trust_domain: string;
  /** SHA-256 of the SubjectPublicKeyInfo, 64 hex digits. */
  readonly key_fingerprint: string;
  /** Six digits, and the subject or the key ID it was seen with. */
  readonly label: string;
  readonly since: string;
  /** When it counts again by itself; null: never. */
  readonly until: string | null;
  readonly actor: string;
  readonly reason: string;
}

/** The operator's word that a key is not to be trusted. */
export interface DistrustDocument {
  /** A trust domain, also with `spiffe://` before it; `own` is ours, unless a peer has that name. */
  readonly trust_domain: string;
  /** Hex digits of a fingerprint (six at least) or a JWT key ID. */
  readonly key: string;
  readonly reason?: string;
  readonly until?: string;
  /** Says that the last key of our own may go. */
  readonly even_the_last?: boolean;
  /** Says that a key on which the agent's own SVID rests may go. */
  readonly even_our_own_svid?: boolean;
}

/** A key that is out, and what is left of its trust domain. */
export interface DistrustedDocument extends DistrustedKeyDocument {
  readonly ours: boolean;
  /** Whether it counted until now; else it is kept out should it ever come. */
  readonly was_trusted: boolean;
  readonly x509_left: number;
  readonly jwt_left: number;
  /** Whether peers that take our bundle without the key refuse the agent's own SVID. */
  readonly own_svid_refused: boolean;
  /** Whether our mesh signs identities under the key now, as far as that is known. */
  readonly signs_now: boolean;
  /** What the mesh has of the trust domain after some seconds at the most; null where it has nothing, and for keys of ours. */
  readonly in_mesh: InMeshDocument | null;
  /** Whether the mesh had not let go of the key by then. */
  readonly mesh_may_still_trust: boolean;
}

/** The operator's word that a distrusted key is to count again. */
export type TrustAgainDocument = Pick<DistrustDocument, 'trust_domain' | 'key' | 'reason'>;
