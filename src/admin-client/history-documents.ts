import type { BundleDocument, EventDocument } from './admin-documents.ts';

/** A head of the chain, signed where the agent had an SVID. */
export interface HeadDocument {
  readonly number: number;
  readonly hash: string;
  readonly chain: string;
  readonly signed_at: string;
  readonly signer: string | null;
  readonly statement: string | null;
}

/** The story over all trust domains, or one, newest first, and how it is kept safe. */
export interface StoryDocument {
  readonly events: readonly EventDocument[];
  /** How many links the chain has, and the hash of the last one. */
  readonly links: number;
  readonly head: string | null;
  readonly newest_head: HeadDocument | null;
}

/** What was trusted of one trust domain at an instant. */
export interface TrustedDocument extends Omit<BundleDocument, 'document'> {
  /** Keys that did not count then, whatever the bundle says. */
  readonly distrusted: readonly {
    readonly key_fingerprint: string;
    readonly label: string;
    readonly since: string;
    readonly reason: string;
  }[];
}

/** What was trusted at an instant, over all trust domains. */
export interface TrustedAtDocument {
  readonly instant: string;
  readonly trusted: readonly TrustedDocument[];
}

/** A link of the chain; `row` is the very text it commits to, null where the row is gone. */
export interface LinkDocument {
  readonly number: number;
  readonly table: string;
  readonly row_id: number;
  readonly hash: string;
  readonly row: string | null;
}

/** Where the agent keeps its store, for whoever wants to look at the file itself. */
export interface HistoryPlaceDocument {
  readonly store: string;
}

/** Which events of the story are wanted; what is left out does not matter. */
export interface StoryQuery {
  readonly of?: string;
  /** Instants, ISO 8601 with their zone: from `since` on, before `until`. */
  readonly since?: string;
  readonly until?: string;
  readonly kinds?: readonly string[];
  /** Only those after the event with this `id`, and then the oldest first. */
  readonly after?: number;
  readonly limit: number;
}
