import { hash } from 'node:crypto';
import type { TrustDomain } from '../../spiffe/index.ts';
import type { StateReason } from './relationship.ts';

export type CatalogueDirection = 'issued' | 'received';

/**
 * The state of a catalogue: we issued it · it counts · it waits for the operator · the operator
 * accepted it · it was refused.
 */
export type CatalogueVerdict = 'issued' | 'accepted' | 'quarantined' | 'operator' | 'refused';

/** One catalogue in the history. */
export interface CatalogueVersion {
  readonly at: Date;
  /** The peer: the audience of an issued catalogue, the owner of a received one. */
  readonly trustDomain: TrustDomain;
  readonly direction: CatalogueDirection;
  /** 1, 2, 3 … for each peer and direction. */
  readonly number: number;
  readonly sequence?: number;
  /** `catalogueDigest` of the content. */
  readonly digest?: string;
  readonly verdict: CatalogueVerdict;
  readonly reason?: StateReason;
  /** The content, as JSON. Refused content is not stored. */
  readonly document?: string;
}

/** The content of a catalogue, with the sequence under which it was issued or received. */
export interface CatalogueContent {
  readonly trustDomain: TrustDomain;
  readonly sequence: number;
  /** JSON, without sequence and instants: equal content is equal text. */
  readonly document: string;
}

/** A catalogue of a peer that counts. */
export interface HeldCatalogue extends CatalogueContent {
  readonly digest: string;
  readonly receivedAt: Date;
  readonly expiresAt: Date;
}

/** A received catalogue that does not count. */
export type CatalogueNotHeld =
  | {
      readonly at: Date;
      readonly trustDomain: TrustDomain;
      readonly verdict: 'refused';
      readonly sequence?: number;
      /** `catalogueDigest` of the content, where it could be read. */
      readonly digest?: string;
      readonly reason: StateReason;
    }
  | (CatalogueContent & {
      readonly at: Date;
      readonly verdict: 'quarantined';
      readonly reason: StateReason;
    });

/**
 * Most received catalogues that do not count and that one peer may add to the history within
 * `NOT_HELD_WINDOW_MS`. Because a peer could otherwise fill the store, later ones are counted by
 * their incident only.
 */
export const NOT_HELD_IN_WINDOW = 48;
export const NOT_HELD_WINDOW_MS = 24 * 60 * 60_000;

/** SHA-256 of the content of a catalogue; 64 lower-case hex digits. */
export function catalogueDigest(document: string): string {
  return hash('sha256', document, 'hex');
}
