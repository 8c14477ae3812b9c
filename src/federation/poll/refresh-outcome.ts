import type { BundleNote, TrustBundle, TrustDomain } from '../../spiffe/index.ts';
import type { IncidentKind, StateReason } from '../../store/index.ts';
import type { DocumentTag } from '../fetch/fetch-bundle.ts';
import type { VerdictNote } from '../trust/verdict.ts';

/**
 * The tag of a document that stood for `bundle`, worth sending only while that is the bundle held.
 */
export interface RememberedTag {
  readonly etag: DocumentTag;
  readonly bundle: TrustBundle;
  /** When the signature of a signed one ends: from then on another has to come. */
  readonly expiresAt?: Date;
}

/** What one poll led to. */
export type RefreshOutcome =
  | { readonly kind: 'unchanged' }
  | {
      readonly kind: 'accepted';
      readonly versionNumber: number;
      readonly added: number;
      readonly removed: number;
      readonly notes: readonly VerdictNote[];
      /** Entries of the document that were passed over, and why. */
      readonly ignored: readonly BundleNote[];
      readonly overridden?: string;
    }
  | { readonly kind: 'quarantined' | 'refused' | 'failed'; readonly code: string; readonly message: string }
  /**
   * The peer has changed its bundle too often: this offer waits for `waitMs` at least, and the last
   * good bundle stays.
   */
  | { readonly kind: 'flapping'; readonly code: string; readonly message: string; readonly waitMs: number }
  /** The relationship ended, or the agent stops: nothing was changed. */
  | { readonly kind: 'called-off' };

/** An outcome with what the incident log records of it. */
export interface Refreshed {
  readonly outcome: RefreshOutcome;
  readonly tag?: RememberedTag;
  readonly offered?: TrustBundle;
  readonly incident?: PollIncident;
  /** Why a poll with a good document still needs the operator; comes with `incident`. */
  readonly reason?: StateReason;
}

/** The trust domain of a poll, and its outcome. */
export interface RefreshResult {
  readonly trustDomain: TrustDomain;
  readonly outcome: RefreshOutcome;
}

/** What can go wrong in a poll, as the incident log calls it. */
export type PollIncident = Extract<
  IncidentKind,
  | 'endpoint-unreachable'
  | 'bundle-refused'
  | 'bundle-quarantined'
  | 'bundle-unusable'
  | 'sequence-jumped'
  | 'peer-flapping'
>;

/** A poll that led to nothing, for a reason with a code. */
export function failedPoll(code: string, message: string, incident: PollIncident): Refreshed {
  return { outcome: { kind: 'failed', code, message }, incident };
}
