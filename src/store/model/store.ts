import type { TrustDomain } from '../../spiffe/index.ts';
import type { BundleVersion, NewVersion } from './bundle-version.ts';
import type { ChainHead, ChainLink, PeerHead, SignedHead } from './chain.ts';
import type { EventFilter, NewEvent, StoredEvent } from './event.ts';
import type { IncidentFilter, IncidentKind, NewIncident, StoredIncident } from './incident.ts';
import type { InvitationChange, InvitationRole, StoredInvitation } from './invitation.ts';
import type { DistrustedKey, KeyTrustedAgain, RejectedOffer } from './operator-decisions.ts';
import type { RootLife, RootStageChange } from './own-root.ts';
import type { StoredHolding } from './peer-holding.ts';
import type { PriorTrust } from './prior-trust.ts';
import type { Relationship, RelationshipPatch } from './relationship.ts';
import type { ServiceStore, ServiceStoreReader } from './service-store.ts';
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
   * Keeps the sequence that counts from ending or going down with this version. Because an
   * operator's file, or an address that numbers differently, says nothing about the endpoint's
   * numbers. With `next` the sequence goes up by one, so that the replaced content stays out.
   * Default: the version's own sequence counts.
   */
  readonly keepsSequence?: 'held' | 'next';
  /** The sequence from which this version leapt to its own. */
  readonly leaptFrom?: bigint;
  /**
   * Set when the document listed entries and none was usable. Keys that go with it count as known
   * when they return.
   */
  readonly unusable?: boolean;
  /** Recorded in the same transaction. */
  readonly event?: NewEvent;
}

/** How the incidents of a trust domain ended. */
export interface IncidentEnd {
  readonly trustDomain: TrustDomain;
  readonly at: Date;
  readonly actor: string;
  /** Only these kinds; left out: all that are open. */
  readonly kinds?: readonly IncidentKind[];
}

/**
 * The readable side of a store. All methods reject with `StoreError` (`store-corrupt`,
 * `store-failed`, `store-closed`).
 */
export interface StoreReader extends ServiceStoreReader, AsyncDisposable {
  /** All relationships, by trust domain. */
  relationships(): Promise<Relationship[]>;
  relationship(trustDomain: TrustDomain): Promise<Relationship | undefined>;

  /**
   * The version trusted now. Its `bundle.sequence` is the highest one seen with this content
   * (`noteUnchanged`), which is what the next offer is to be judged against.
   */
  current(trustDomain: TrustDomain): Promise<BundleVersion | undefined>;
  /** What the next offer is judged by, in addition to the current version. */
  priorTrust(trustDomain: TrustDomain): Promise<PriorTrust>;
  /** All current versions, by trust domain, our own included. */
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
   * Incidents, newest first, ended or open. `open: true` gives only open ones. `offers: false`
   * leaves out the offered bundles, so that their documents are not read. `limit` defaults to 100.
   */
  incidents(filter?: IncidentFilter): Promise<StoredIncident[]>;

  /**
   * The keys that are distrusted now, by trust domain. A key whose time is over stays in the list
   * until its end is on record.
   */
  distrustedKeys(): Promise<DistrustedKey[]>;
  /** The offers that are rejected for good, by trust domain. */
  rejectedOffers(trustDomain?: TrustDomain): Promise<RejectedOffer[]>;
  /** Whether the content with this digest is rejected. */
  rejection(trustDomain: TrustDomain, digest: string): Promise<RejectedOffer | undefined>;

  /** The invitations that we issued and redeemed, newest first; `limit` defaults to 100. */
  invitations(page?: { readonly limit?: number }): Promise<StoredInvitation[]>;
  invitation(role: InvitationRole, id: string): Promise<StoredInvitation | undefined>;
  /**
   * The end of the chain that holds every row of the history; undefined while the chain is empty.
   */
  chainHead(): Promise<ChainHead | undefined>;
  /**
   * Links with the rows they commit to, in their order; `after` is a link's number, for the next
   * page. `limit` defaults to 100.
   */
  chainLinks(page?: { readonly after?: number; readonly limit?: number }): Promise<ChainLink[]>;
  /** The stored heads, newest first; `limit` defaults to 100. */
  signedHeads(page?: { readonly limit?: number }): Promise<SignedHead[]>;

  /**
   * The roots of one of our trust domains, ordered by their newest stage; at most 256, the newest
   * of them.
   */
  rootLives(trustDomain: TrustDomain): Promise<RootLife[]>;
  /** The last holding of our bundle that each peer proved, by trust domain. */
  peerHoldings(): Promise<StoredHolding[]>;

  /** The heads of its history that a peer showed us, newest first; `limit` defaults to 100. */
  peerHeads(trustDomain: TrustDomain, page?: { readonly limit?: number }): Promise<PeerHead[]>;

  /** A small value stored under a name. */
  getMeta(key: string): Promise<string | undefined>;

  /** Releases the file and its lock. May be called twice. */
  close(): Promise<void>;
}

/**
 * The agent's memory: relationships, the bundle of each trust domain (our own too), and the whole
 * history. A write that has resolved is on the disk and survives a kill or a power cut. A write
 * that rejects has changed nothing. In addition to the errors of readers, writes reject with
 * `StoreError` `store-full`, `store-read-only` and `store-busy`.
 */
export interface Store extends StoreReader, ServiceStore {
  /**
   * Adds a relationship with its first trusted version and an audit line, in one transaction.
   * Without a version (`undefined`) its state is `pending`. Nothing of an earlier relationship
   * counts, except that version numbers go on (FED-60). With `invitation`, that change is part of
   * the transaction. Rejects with `relationship-exists`, and with `invitation-spent` where the
   * invitation has moved to another state.
   */
  addRelationship(
    relationship: Relationship,
    firstVersion: NewVersion | undefined,
    event: NewEvent,
    invitation?: InvitationChange,
  ): Promise<void>;

  /**
   * Changes what `patch` names. False, and no event is kept, when the relationship has been removed
   * meanwhile.
   */
  updateRelationship(trustDomain: TrustDomain, patch: RelationshipPatch, event?: NewEvent): Promise<boolean>;

  /**
   * Ends the relationship and the trust in one transaction. Removes the current bundle, the exports
   * to the peer, the imports from it and its catalogue. Ends open incidents, keeps the history and
   * adds a `relationship-removed` event (FED-59). False when there was none.
   */
  removeRelationship(
    trustDomain: TrustDomain,
    removal: { readonly at: Date; readonly actor: string; readonly reason: string },
  ): Promise<boolean>;

  /**
   * Adds a version to the history and makes it current. Returns `conflict`, and writes nothing,
   * when another write was faster. Equal content writes no history: the current version is
   * returned. Only an operator's lower sequence makes equal content a new version. A version that
   * is not our `own` needs a relationship, else the result is `conflict`: the relationship was
   * removed during the poll. Rejects with `sequence-rolled-back` when the sequence is lower than
   * the held one and the verdict is not `operator` (FED-48, FED-52).
   */
  replaceCurrent(replacement: Replacement): Promise<BundleVersion | 'conflict'>;

  /**
   * Records that a poll found the content we hold. Marks the relationship fresh (attempt and
   * success at `at`, no failures). Raises the sequence that counts as held when `seen.sequence` is
   * higher. Never touches the history.
   */
  noteUnchanged(trustDomain: TrustDomain, at: Date, seen?: { readonly sequence?: bigint }): Promise<void>;

  /** Adds one line to the audit log. */
  recordEvent(event: NewEvent): Promise<void>;

  /**
   * Records trouble with a peer. The first time an incident begins (`began`), with an event. While
   * it is `ongoing` (same trust domain, kind and code) a repetition is only counted, so that an
   * outage of a month is one line.
   */
  recordIncident(incident: NewIncident): Promise<'began' | 'ongoing'>;
  /**
   * Ends the open incidents of a trust domain with one `recovered` event each, and returns their
   * number. Writes nothing when none is open, so it may be called after every good poll.
   */
  endIncidents(end: IncidentEnd): Promise<number>;

  /**
   * Distrusts a key, with an event. A second call replaces the reason and the end. The history of
   * bundles does not change.
   */
  distrustKey(key: DistrustedKey): Promise<void>;
  /** Ends the distrust of a key, with an event. False when it was not distrusted. */
  trustKeyAgain(again: KeyTrustedAgain): Promise<boolean>;
  /** Rejects an offered content for good, with an event. */
  rejectOffer(offer: RejectedOffer): Promise<void>;
  /** Ends the rejection of an offer, with an event. False when it was not rejected. */
  reconsiderOffer(offer: RejectedOffer): Promise<boolean>;

  /** Adds an invitation, with its event. Rejects with `invitation-exists`. */
  addInvitation(invitation: StoredInvitation, event: NewEvent): Promise<void>;
  /**
   * Changes an invitation, with an event. False, and nothing is written, when it is in none of the
   * states that the change names.
   */
  changeInvitation(change: InvitationChange, event?: NewEvent): Promise<boolean>;
  /**
   * Stores a head of the chain. Rejects with `store-corrupt` when the chain does not hold that
   * link.
   */
  recordHead(head: SignedHead): Promise<void>;

  /** Records that roots of ours reached other stages, with an event each, in one transaction. */
  recordRootStages(
    changes: readonly { readonly change: RootStageChange; readonly event: NewEvent }[],
  ): Promise<void>;
  /**
   * Stores the last holding that a peer proved, and replaces the one before. Does nothing without a
   * relationship.
   */
  recordPeerHolding(holding: StoredHolding): Promise<void>;

  /** Stores a head that a peer showed us. */
  recordPeerHead(head: PeerHead): Promise<void>;

  /** Stores a small value under a name: what the agent must remember about itself. */
  setMeta(key: string, value: string): Promise<void>;

  /**
   * Writes the file again without the room that removed rows left. Nothing that is stored changes.
   * The process stands still meanwhile. Rejects with `store-full` where the disk has no room for the
   * second copy that this needs; then the file is what it was.
   */
  compact(): Promise<Compaction>;
}

/** The size of the file and its log, before and after. */
export interface Compaction {
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}
