/** The admin API's documents about offered bundles that wait for the operator. */

/** One key of an offer, told in full. */
export interface OfferedKeyDocument {
  readonly kind: 'x509' | 'jwt';
  /** SHA-256 of the certificate; null for a JWT key. */
  readonly fingerprint: string | null;
  readonly subject: string | null;
  readonly key_id: string | null;
  readonly not_before: string | null;
  readonly not_after: string | null;
}

/** An offered bundle that is not trusted. */
export interface OfferDocument {
  readonly trust_domain: string;
  /** It waits for a word, or is kept out: for going backwards, or because it was rejected. */
  readonly status: 'quarantined' | 'refused' | 'rejected';
  readonly code: string;
  readonly message: string;
  /** What that means, and what to ask before deciding, in plain words. */
  readonly meaning: string;
  readonly policy: string;
  readonly profile: string;
  readonly origin: string;
  /** Since when, how often and when last this very content was seen. */
  readonly since: string;
  readonly seen: number;
  readonly last_seen: string;
  readonly digest: string;
  readonly sequence: string | null;
  readonly held_digest: string | null;
  readonly held_sequence: string | null;
  readonly added: readonly OfferedKeyDocument[];
  readonly removed: readonly OfferedKeyDocument[];
  readonly kept: readonly OfferedKeyDocument[];
}

/** A content that is kept out for good. */
export interface RejectedOfferDocument {
  readonly trust_domain: string;
  readonly digest: string;
  readonly since: string;
  readonly actor: string;
  readonly reason: string;
}

/** What waits, and what does not any more. */
export interface ReviewDocument {
  readonly waiting: readonly OfferDocument[];
  readonly rejected: readonly RejectedOfferDocument[];
}

/** The operator's decision. */
export interface DecisionDocument {
  readonly decision: 'accept' | 'reject' | 'reconsider';
  /** At least six first digits of the offer's digest; left out: the one that waits. */
  readonly digest?: string;
  readonly reason: string;
}

/** What was decided, and what the poll that followed brought. */
export interface DecidedDocument {
  readonly trust_domain: string;
  readonly decision: DecisionDocument['decision'];
  readonly digest: string;
  readonly poll: { readonly outcome: string; readonly code: string | null; readonly message: string | null };
}
