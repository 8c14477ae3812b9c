import { defined } from '../../objects/index.ts';
import type { TrustBundle, TrustDomain } from '../../spiffe/index.ts';
import type { Relationship } from '../../store/index.ts';
import { FederationError } from '../fetch/errors.ts';
import { nextPollDelayMs } from '../fetch/schedule.ts';
import { ended } from '../poll/ended.ts';
import { notFederated, type Peers } from '../poll/peers.ts';
import type { RefreshOutcome } from '../poll/refresh-outcome.ts';
import type { CarriedBundles } from '../signed-bundle/carried-bundles.ts';
import type { TheirSides } from '../fetch/their-side.ts';
import type { Random } from '../../platform/index.ts';
import {
  type AddNote,
  type AddParts,
  addRelationship,
  type AddRequest,
  prepareRelationship,
} from './add-relationship.ts';
import { changeRelationship, type RelationshipChange } from './change-relationship.ts';
import { type OperatorBundle, putOperatorBundle } from './operator-bundle.ts';
import { vouchingRoots, type VouchingParts } from './vouching-roots.ts';

/** A relationship that was added. */
export interface AddResult {
  readonly relationship: Relationship;
  /** `contentDigest` of the first bundle. */
  readonly digest: string;
  readonly notes: readonly AddNote[];
  /** The endpoint's answer after a bundle from a file; a failure keeps the relationship. */
  readonly firstPoll?: RefreshOutcome;
}

/** What the operator's actions take. */
export interface RelationshipsParts extends AddParts, Omit<VouchingParts, 'held'> {
  readonly carried: CarriedBundles;
  readonly theirSides: Pick<TheirSides, 'forget'>;
  readonly random: Random;
}

/** What an operator does with relationships: add, change, end, and set a bundle by hand. */
export class Relationships {
  readonly #parts: RelationshipsParts;
  readonly #peers: Peers;
  readonly #stopping: AbortSignal;
  /** Trust domains whose bootstrap is under way. */
  readonly #adding = new Set<TrustDomain>();

  /** Calls off what is under way once `stopping` aborts. */
  constructor(parts: RelationshipsParts, peers: Peers, stopping: AbortSignal) {
    this.#parts = parts;
    this.#peers = peers;
    this.#stopping = stopping;
  }

  /**
   * Bootstraps a relationship and starts polling it. After a bundle from a file the result has the
   * endpoint's answer, also a failure. Throws as `addRelationship`, and `not-started`.
   */
  async add(request: AddRequest): Promise<AddResult> {
    this.#peers.checkStarted();
    const { trustDomain } = request;
    if (this.#adding.has(trustDomain))
      throw new FederationError(
        'already-federated',
        `a relationship with ${trustDomain} is just being added`,
      );
    this.#adding.add(trustDomain);
    try {
      const { relationship, first, digest, notes } = await addRelationship(
        this.#parts,
        request,
        this.#known(),
        this.#stopping,
      );
      const { held, carried, schedule, random } = this.#parts;
      const { bundle, etag, signed } = first;
      held.replace(bundle);
      if (signed) carried.carry(trustDomain, signed);
      const waitMs = first.fetched ? nextPollDelayMs(bundle.refreshHintSeconds, schedule, random) : 0;
      const tag = etag && { etag, bundle, ...defined({ expiresAt: signed?.expiresAt }) };
      const poller = this.#peers.open(relationship, waitMs, tag);
      const polled = first.fetched ? undefined : await poller.poll();
      poller.start();
      return {
        relationship: poller.relationship,
        digest,
        notes,
        ...defined({ firstPoll: polled?.outcome }),
      };
    } finally {
      this.#adding.delete(trustDomain);
    }
  }

  /** Checks whether `add` would accept this; writes nothing. Throws as `add` before it writes. */
  async check(request: AddRequest): Promise<void> {
    this.#peers.checkStarted();
    await prepareRelationship(this.#parts, request, this.#known(), this.#stopping);
  }

  /**
   * Changes the endpoint of a relationship and polls it; the trust stays (FED-62). Throws as
   * `changeRelationship`, and `not-started`.
   */
  async change(
    trustDomain: TrustDomain,
    change: RelationshipChange,
  ): Promise<{ relationship: Relationship; poll: RefreshOutcome }> {
    const poller = this.#peers.of(trustDomain);
    poller.adopt(await changeRelationship(this.#parts, poller.relationship, change, this.#known()));
    const { outcome } = await poller.pollAgain();
    return { relationship: poller.relationship, poll: outcome };
  }

  /**
   * Ends a relationship: its polls stop, a late answer is dropped, and store and memory lose the
   * trust. The history stays (FED-59). Throws `FederationError` `not-federated`, `not-started`;
   * `StoreError`, and then the relationship continues.
   */
  async remove(
    trustDomain: TrustDomain,
    { actor, reason }: { readonly actor: string; readonly reason: string },
  ): Promise<void> {
    const poller = this.#peers.of(trustDomain);
    // Called off at once; whatever it still does is waited for after the trust is gone.
    const stopped = poller.stop();
    const { store, clock, held, trusted, theirSides } = this.#parts;
    let removed: boolean;
    try {
      removed = await store.removeRelationship(trustDomain, { at: clock.now(), actor, reason });
    } catch (error) {
      await ended(clock, stopped);
      // Without a record the relationship continues: the next start would bring it back.
      if (this.#peers.find(trustDomain) === poller) this.#peers.open(poller.relationship, 0).start();
      throw error;
    }
    if (this.#peers.close(poller)) {
      held.drop(trustDomain);
      trusted.staleFrom(trustDomain, undefined);
      theirSides.forget(trustDomain);
    }
    await ended(clock, stopped);
    if (!removed) throw notFederated(trustDomain);
  }

  /** Replaces the held bundle with the operator's (FED-53, FED-58). See `putOperatorBundle`. */
  async setBundle(
    trustDomain: TrustDomain,
    bundle: OperatorBundle,
  ): Promise<{ versionNumber: number; poll: RefreshOutcome }> {
    const poller = this.#peers.of(trustDomain);
    const versionNumber = await putOperatorBundle(this.#parts, trustDomain, bundle);
    const { outcome } = await poller.pollAgain();
    return { versionNumber, poll: outcome };
  }

  /** The reported roots that are held long enough to renew by an invitation. Or `StoreError`. */
  vouchingRoots(reported: TrustBundle): Promise<TrustBundle | undefined> {
    return vouchingRoots(this.#parts, reported);
  }

  #known(): ReadonlyMap<TrustDomain, Relationship> {
    return new Map(this.#peers.relationships().map((each) => [each.trustDomain, each]));
  }
}
