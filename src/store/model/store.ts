import type { TrustDomain } from '../../spiffe/index.ts';
import type { BundleVersion, NewVersion } from './bundle-version.ts';
import type { ChainHead, ChainLink, PeerHead, SignedHead } from './chain.ts';
import type { EventFilter, NewEvent, StoredEvent } from './event.ts';
import type { IncidentKind, NewIncident, StoredIncident } from './incident.ts';
import type { InvitationChange, InvitationRole, StoredInvitation } from './invitation.ts';
import type { DistrustedKey, KeyTrustedAgain, RejectedOffer } from './operator-words.ts';
import type { RootLife, RootStageChange } from './own-root.ts';
import type { StoredHolding } from './peer-holding.ts';
import type { PriorTrust } from './prior-trust.ts';
import type { Relationship, RelationshipPatch } from './relationship.ts';
import type { TrustedAt } from './trusted-at.ts';
import type { VersionLine, VersionMark } from './version-mark.ts';

/** A write that names what it replaces. */
export interface Replacement {
  readonly trustDomain: TrustDomain;
  /** `contentDigest` of the version the caller judged against; `null` when it saw none. */
  readonly expectedDigest: string | null;
  /**
   * Its sequence as `current()` gave it; `null` when it had none; left out when it does not matter.
   */
  readonly expectedSequence?: bigint | null;
  readonly version: NewVersion;
  /**
   * The sequence that counts never becomes lower by this version, nor does it end, because an
   * operator's file, or an address that numbers otherwise, says nothing about the endpoint's
   * numbers. With `next` it goes up by one, so that what had the held number before stays out.
   * Default: the version's own sequence counts.
   */
  readonly keepsSequence?: 'held' | 'next';
  /** The number from which this version's number was reached by a leap. */
  readonly leaptFrom?: bigint;
  /**
   * The document listed entries of which none could be used: keys that are gone with it count as
   * known when they come back.
   */
  readonly unusable?: boolean;
  /** Told in the same transaction. */
  readonly event?: NewEvent;
}

/** How the incidents of a trust domain came to an end. */
export interface IncidentEnd {
  readonly trustDomain: TrustDomain;
  readonly at: Date;
  readonly actor: string;
  /** Only these; left out: all that are open. */
  readonly kinds?: readonly IncidentKind[];
}

/**
 * What can be asked of a store. All methods reject with `StoreError` (`store-corrupt`,
 * `store-failed`, `store-closed`).
 */
export interface StoreReader extends AsyncDisposable {
  /** All relationships, by trust domain. */
  relationships(): Promise<Relationship[]>;
  relationship(trustDomain: TrustDomain): Promise<Relationship | undefined>;

  /**
   * The version trusted now. Its `bundle.sequence` is the highest one seen with this content
   * (`noteUnchanged`), which is what the next offer is to be judged against.
   */
  current(trustDomain: TrustDomain): Promise<BundleVersion | undefined>;
  /** What the next offer is to be judged by, next to the current version. */
  priorTrust(trustDomain: TrustDomain): Promise<PriorTrust>;
  /** All of them, by trust domain, our own included. */
  currentAll(): Promise<BundleVersion[]>;

  /**
   * Versions of one trust domain, newest first; `before` is a version number, for the next page.
   * `limit` defaults to 100.
   */
  history(
    trustDomain: TrustDomain,
    page?: { readonly limit?: number; readonly before?: number },
  ): Promise<BundleVersion[]>;
  /** As `history`, without the documents: for comparisons. */
  versionMarks(
    trustDomain: TrustDomain,
    page?: { readonly limit?: number; readonly before?: number },
  ): Promise<VersionMark[]>;
  /** As `history`, without the documents but with what changed: for lists. */
  versionLines(
    trustDomain: TrustDomain,
    page?: { readonly limit?: number; readonly before?: number },
  ): Promise<VersionLine[]>;
  /** As `current`, without the document; `sequence` is the highest one seen with this content. */
  currentMark(trustDomain: TrustDomain): Promise<VersionMark | undefined>;
  /**
   * The version that was trusted at an instant; undefined before the first and between a removal
   * and a new beginning.
   */
  bundleAt(trustDomain: TrustDomain, instant: Date): Promise<BundleVersion | undefined>;

  /** Whether a bundle with this `contentDigest` ever was the trusted one of a trust domain. */
  everHeld(trustDomain: TrustDomain, digest: string): Promise<boolean>;

  /** What was trusted at an instant, over all trust domains, ours included, by trust domain. */
  trustedAt(instant: Date): Promise<TrustedAt[]>;

  /** The audit log, newest first; `limit` defaults to 100. */
  events(filter?: EventFilter): Promise<StoredEvent[]>;
  /**
   * Incidents, newest first, over or still going on; `open: true` gives only the latter, `offers:
   * false` leaves out the offered bundles, whose documents need not be read then. `limit` defaults
   * to 100.
   */
  incidents(filter?: {
    readonly trustDomain?: TrustDomain;
    readonly open?: boolean;
    readonly offers?: boolean;
    readonly limit?: number;
  }): Promise<StoredIncident[]>;

  /**
   * The keys that are kept out of the trust now, by trust domain; one whose time is over is among
   * them until that is on record.
   */
  distrustedKeys(): Promise<DistrustedKey[]>;
  /** The offers that are kept out for good, by trust domain. */
  rejectedOffers(trustDomain?: TrustDomain): Promise<RejectedOffer[]>;
  /** Whether the content of that digest is among them. */
  rejection(trustDomain: TrustDomain, digest: string): Promise<RejectedOffer | undefined>;

  /** The invitations that we gave and took up, newest first; `limit` defaults to 100. */
  invitations(page?: { readonly limit?: number }): Promise<StoredInvitation[]>;
  invitation(role: InvitationRole, id: string): Promise<StoredInvitation | undefined>;
  /**
   * The end of the chain that every row of the history is part of; undefined while nothing is in
   * it.
   */
  chainHead(): Promise<ChainHead | undefined>;
  /**
   * Links with the rows they commit to, in their order; `after` is a link's number, for the next
   * page. `limit` defaults to 100.
   */
  chainLinks(page?: { readonly after?: number; readonly limit?: number }): Promise<ChainLink[]>;
  /** The heads that were kept, newest first; `limit` defaults to 100. */
  signedHeads(page?: { readonly limit?: number }): Promise<SignedHead[]>;

  /**
   * The roots of a trust domain of ours, in the order of their newest stage; at most 256, the
   * newest of them.
   */
  rootLives(trustDomain: TrustDomain): Promise<RootLife[]>;
  /** What each peer proved last that it holds of our bundle, by trust domain. */
  peerHoldings(): Promise<StoredHolding[]>;

  /** The heads of its history that a peer showed us, newest first; `limit` defaults to 100. */
  peerHeads(trustDomain: TrustDomain, page?: { readonly limit?: number }): Promise<PeerHead[]>;

  /** A small value kept under a name. */
  getMeta(key: string): Promise<string | undefined>;

  /** Gives the file and its lock free. May be called twice. */
  close(): Promise<void>;
}

/**
 * What the agent remembers: relationships, the bundle of each trust domain (our own too), and
 * everything that was. A write that has resolved is on the disk and survives a kill or a power cut;
 * one that rejects has changed nothing. Beside what readers meet, writes reject with `StoreError`
 * `store-full`, `store-read-only` and `store-busy`.
 */
export interface Store extends StoreReader {
  /**
   * A new relationship with its first trusted version (`undefined` where none is proved yet: state
   * `pending`) and an audit line, in one transaction. Nothing of an earlier relationship counts,
   * except that version numbers go on (FED-60). With `invitation`, that change is part of the
   * transaction. Rejects with `relationship-exists`, and with `invitation-spent` where the
   * invitation is in another state by now.
   */
  addRelationship(
    relationship: Relationship,
    firstVersion: NewVersion | undefined,
    event: NewEvent,
    invitation?: InvitationChange,
  ): Promise<void>;

  /**
   * Changes what `patch` names. False when there is no such relationship: it was removed meanwhile,
   * and no event is kept.
   */
  updateRelationship(trustDomain: TrustDomain, patch: RelationshipPatch, event?: NewEvent): Promise<boolean>;

  /**
   * Ends the relationship and the trust in one transaction: current bundle gone, open incidents
   * ended, the history kept, a `relationship-removed` event added (FED-59). False when there was
   * none.
   */
  removeRelationship(
    trustDomain: TrustDomain,
    removal: { readonly at: Date; readonly actor: string; readonly reason: string },
  ): Promise<boolean>;

  /**
   * Adds a version to the history and makes it current, unless somebody was faster: then
   * `conflict`, and nothing is written. Equal content writes no history: the current version comes
   * back (only an operator's lower sequence is a new version then). A version that is not our `own`
   * needs a relationship, else it is a `conflict` too: the relationship was removed while the poll
   * was under way. Rejects with `sequence-rolled-back` when the sequence is lower than the held one
   * and the verdict is not `operator` (FED-48, FED-52).
   */
  replaceCurrent(replacement: Replacement): Promise<BundleVersion | 'conflict'>;

  /**
   * A poll found the content we hold: marks the relationship fresh (attempt and success at `at`, no
   * failures) and raises the sequence that counts as held when `seen.sequence` is higher. Never
   * touches the history.
   */
  noteUnchanged(trustDomain: TrustDomain, at: Date, seen?: { readonly sequence?: bigint }): Promise<void>;

  /** Adds one line to the audit log. */
  recordEvent(event: NewEvent): Promise<void>;

  /**
   * Something went wrong with a peer. The first time is an incident that `began`, with an event;
   * while it is `ongoing` (same trust domain, kind and code) a repetition is only counted, so that
   * an outage of a month is one line.
   */
  recordIncident(incident: NewIncident): Promise<'began' | 'ongoing'>;
  /**
   * All is well again: ends the open incidents of a trust domain with one `recovered` event each,
   * and gives their number. With none open nothing is written, so it may be called after every good
   * poll.
   */
  endIncidents(end: IncidentEnd): Promise<number>;

  /**
   * Takes a key out of the trust, with an event; said again it replaces reason and end. The history
   * of bundles is left alone.
   */
  distrustKey(key: DistrustedKey): Promise<void>;
  /** Ends the distrust of a key, with an event. False when it was not distrusted. */
  trustKeyAgain(again: KeyTrustedAgain): Promise<boolean>;
  /** Keeps an offered content out for good, with an event. */
  rejectOffer(offer: RejectedOffer): Promise<void>;
  /** Takes a rejection back, with an event. False when there was none. */
  reconsiderOffer(offer: RejectedOffer): Promise<boolean>;

  /** A new invitation, with its event. Rejects with `invitation-exists`. */
  addInvitation(invitation: StoredInvitation, event: NewEvent): Promise<void>;
  /**
   * Changes an invitation, with an event. False, and nothing is written, when it is in none of the
   * states that the change names.
   */
  changeInvitation(change: InvitationChange, event?: NewEvent): Promise<boolean>;
  /**
   * Keeps a head of the chain. Rejects with `store-corrupt` when the chain does not hold that link.
   */
  recordHead(head: SignedHead): Promise<void>;

  /** Roots of ours came to other stages, with an event each, in one transaction. */
  recordRootStages(
    changes: readonly { readonly change: RootStageChange; readonly event: NewEvent }[],
  ): Promise<void>;
  /**
   * What a peer proved last that it holds, in the place of what it said before; nothing where there
   * is no relationship with it.
   */
  recordPeerHolding(holding: StoredHolding): Promise<void>;

  /** Keeps a head that a peer showed us. */
  recordPeerHead(head: PeerHead): Promise<void>;

  /** Keeps a small value under a name: what the agent must not forget about itself. */
  setMeta(key: string, value: string): Promise<void>;
}
