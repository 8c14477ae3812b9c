import { createEndpointVerifier } from './endpoint-verifier.ts';
import { TokenBucket } from '../platform/index.ts';
import { type BundleSource, contentDigest, type TrustBundle, type TrustDomain } from '../spiffe/index.ts';
import type { Relationship } from '../store/index.ts';
import { AddressNumbers } from './poll/address-numbers.ts';
import {
  type AddNote,
  addRelationship,
  type AddRequest,
  prepareRelationship,
} from './operator/add-relationship.ts';
import type { FederationAgentOptions } from './agent-options.ts';
import { createAgentMetrics } from './agent-metrics.ts';
import { defaultChangeBudgetSettings } from './poll/change-budget.ts';
import { changeRelationship, type RelationshipChange } from './operator/change-relationship.ts';
import { Distrusts } from './operator/distrust-key.ts';
import { ended } from './ended.ts';
import { FederationError } from './fetch/errors.ts';
import { type TheirSide, TheirSides } from './fetch/their-side.ts';
import type { EndpointHealth } from './fetch/endpoint-urls.ts';
import { WatchPlaces } from './poll/endpoint-watch.ts';
import { type BundleListener, HeldBundles } from './trust/held-bundles.ts';
import type { MeshProgress } from './fetch/holding-claims.ts';
import { HoldingStatements } from './holding/holding-statements.ts';
import { Observations } from './observation/observations.ts';
import { createHostLookup } from './fetch/host-lookup.ts';
import { OfferReviews } from './operator/offer-reviews.ts';
import { type OperatorBundle, putOperatorBundle } from './operator/operator-bundle.ts';
import { LeftOutEntries } from './trust/left-out-entries.ts';
import { PeerPoller, type SharedByPollers } from './poll/peer-poller.ts';
import { PollSlots, pollSlotSettings } from './poll/poll-slots.ts';
import type { RefreshOutcome, RefreshResult, RememberedTag } from './poll/refresh-outcome.ts';
import type { RefreshParts } from './poll/refresh-parts.ts';
import { nextPollDelayMs, pollIntervalMs, retryRate } from './fetch/schedule.ts';
import { type RelationshipStatus, relationshipStatus } from './trust/relationship-status.ts';
import type { OperatorOverride } from './poll/settle-offer.ts';
import { TrustedBundles } from './trust/trusted-bundles.ts';
import { vouchingRoots } from './operator/vouching-roots.ts';
import { CarriedBundles } from './signed-bundle/carried-bundles.ts';

/** A relationship that was added. */
export interface AddResult {
  readonly relationship: Relationship;
  /** `contentDigest` of the first bundle. */
  readonly digest: string;
  readonly notes: readonly AddNote[];
  /** How the endpoint answered, where the first bundle came from a file; a failure leaves the relationship in place. */
  readonly firstPoll?: RefreshOutcome;
}

/**
 * Keeps every relationship of the store fresh: one loop per peer, and the operator's requests. What it trusts is in
 * `bundles`, in memory, and changes only after the store has committed it.
 */
export class FederationAgent {
  /** The keys that the operator distrusts. */
  readonly distrusts: Distrusts;
  /** The signed bundles that peers sent, for others to fetch from us. */
  readonly carried = new CarriedBundles();
  /** Which entries of the peers' bundles are not used. */
  readonly leftOut = new LeftOutEntries();
  /** The offers that wait for the operator. */
  readonly reviews: OfferReviews;
  /** What agents report to each other about endpoints. The caller runs `start` and `stop`. */
  readonly observations: Observations;
  readonly #parts: RefreshParts;
  readonly #held: HeldBundles;
  readonly #holding: HoldingStatements;
  readonly #trusted: TrustedBundles;
  readonly #theirSides: TheirSides;
  readonly #shared: SharedByPollers;
  readonly #pollers = new Map<TrustDomain, PeerPoller>();
  /** Trust domains whose bootstrap is under way. */
  readonly #adding = new Set<TrustDomain>();
  readonly #stop = new AbortController();
  #started = false;
  /** Waits for what ends by itself: distrusts, and the trust in peers that have become stale. */
  #waiting: Promise<void> | undefined;

  constructor(options: FederationAgentOptions) {
    const { own, clock, log } = options;
    const held = new HeldBundles(log);
    const addressNumbers = new AddressNumbers();
    const trusted = new TrustedBundles({ held, clock, log });
    const endpointBundles: BundleSource = {
      bundleFor: (trustDomain) =>
        own()?.trustDomain === trustDomain ? trusted.filter(own()) : trusted.evenStale.bundleFor(trustDomain),
      distrustedKeys: (trustDomain) => trusted.distrustedKeys(trustDomain),
    };
    this.#held = held;
    const { signer = () => undefined } = options;
    this.#holding = new HoldingStatements({ signer, held, clock, log });
    held.onChange((trustDomain, bundle) => {
      if (bundle) this.#holding.holds(trustDomain, contentDigest(bundle), clock.now());
      else {
        this.#holding.drops(trustDomain);
        this.carried.drop(trustDomain);
        addressNumbers.forget(trustDomain);
        this.leftOut.forget(trustDomain);
      }
    });
    this.#trusted = trusted;
    this.#theirSides = new TheirSides({ store: options.store, clock, log });
    this.#parts = {
      ...options,
      theirSides: this.#theirSides,
      holding: this.#holding,
      carried: this.carried,
      addressNumbers,
      leftOut: this.leftOut,
      lookup: options.lookup ?? createHostLookup(),
      held,
      trusted,
      endpointBundles,
      verifier: createEndpointVerifier(options, endpointBundles),
    };
    this.distrusts = new Distrusts(this.#parts, {
      has: (name) => this.#pollers.has(name),
      // Whether its endpoint can be verified may have changed: nobody waits for the answer.
      changed: (name) => void this.#pollers.get(name)?.pollAnew(),
      ownSvid: signer,
    });
    this.reviews = new OfferReviews(this.#parts, {
      relationship: (name) => this.#pollers.get(name)?.relationship,
      pollAnew: (name, override) => this.#pollerOf(name).pollAnew(override),
    });
    const relationships = () => [...this.#pollers.values()].map(({ relationship }) => relationship);
    this.observations = new Observations({
      ...this.#parts,
      relationships,
      bundles: trusted,
      signer,
      head: options.historyHead ?? (() => undefined),
      metrics: options.metrics,
    });
    held.onChange((trustDomain, bundle) => this.observations.changed(trustDomain, bundle !== undefined));
    this.#shared = {
      parts: this.#parts,
      schedule: options.schedule,
      budget: options.changeBudget ?? defaultChangeBudgetSettings,
      retries: new TokenBucket(clock, retryRate),
      slots: new PollSlots(pollSlotSettings(options.concurrency, clock)),
      watch: options.watch,
      watchPlaces: new WatchPlaces(options.watch.most),
      observe: createAgentMetrics(options.metrics, clock, relationships).observe,
    };
  }

  /** Every foreign bundle as it counts now: without distrusted keys, and none of a peer that is stale. */
  get bundles(): BundleSource & { list(): readonly TrustBundle[] } {
    return this.#trusted;
  }

  /** Every foreign bundle as it is held: for telling what would be accepted otherwise, never for accepting it. */
  get held(): BundleSource {
    return this.#held;
  }

  /** Calls back with each foreign bundle that is replaced, or `undefined` when one goes, until the returned function is called. */
  onChange(listener: BundleListener): () => void {
    return this.#trusted.onChange(listener);
  }

  /**
   * Takes what the store trusts into memory (FED-47), then polls for ever; resolves before the first poll has ended.
   * The signal stops it as `stop` does. Throws `StoreError`.
   */
  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const [relationships, versions] = await Promise.all([
      this.#parts.store.relationships(),
      this.#parts.store.currentAll(),
      // Before any bundle: what is distrusted never counts, not even for a moment.
      this.distrusts.load(),
      this.#theirSides.load(),
    ]);
    const current = new Map(versions.map((version) => [version.trustDomain, version]));
    for (const { trustDomain } of relationships) {
      const version = current.get(trustDomain);
      if (!version) continue;
      this.#holding.holds(trustDomain, version.digest, version.receivedAt);
      this.#held.replace(version.bundle);
    }
    this.#started = true;
    this.#waiting = this.#trusted.run(this.#stop.signal, {
      lapsed: (key) => void this.distrusts.lapsed(key),
      stale: (name) => void this.#pollers.get(name)?.becomeStale(),
    });
    signal.addEventListener('abort', () => void this.stop(), { once: true });
    for (const relationship of relationships) this.#open(relationship, 0).start();
  }

  /** Stops polling and calls off fetches in flight; what is trusted stays in `bundles`. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all([...this.#pollers.values()].map((poller) => ended(this.#parts.clock, poller.stop())));
    await this.#waiting;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /**
   * Bootstraps a relationship and begins to poll it. With a bundle file the endpoint is asked at once and its answer is in
   * the result; the relationship stays when that failed. Throws what `addRelationship` throws, and `not-started`.
   */
  async add(request: AddRequest): Promise<AddResult> {
    this.#checkStarted();
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
        this.#stop.signal,
      );
      const { bundle, etag, signed } = first;
      this.#held.replace(bundle);
      if (signed) this.carried.carry(trustDomain, signed);
      const waitMs = first.fetched
        ? nextPollDelayMs(bundle.refreshHintSeconds, this.#shared.schedule, this.#parts.random)
        : 0;
      const poller = this.#open(
        relationship,
        waitMs,
        etag && { etag, bundle, ...(signed ? { expiresAt: signed.expiresAt } : {}) },
      );
      const polled = first.fetched ? undefined : await poller.poll();
      poller.start();
      return {
        relationship: poller.relationship,
        digest,
        notes,
        ...(polled ? { firstPoll: polled.outcome } : {}),
      };
    } finally {
      this.#adding.delete(trustDomain);
    }
  }

  /** Whether `add` would take that now; writes nothing. Throws what `add` throws, but for `StoreError`. */
  async check(request: AddRequest): Promise<void> {
    this.#checkStarted();
    await prepareRelationship(this.#parts, request, this.#known(), this.#stop.signal);
  }

  /**
   * Ends a relationship: no more polls, a fetch in flight called off and its late answer dropped, the trust gone from store
   * and memory; the history stays (FED-59). Throws `FederationError` `not-federated`, `not-started`; `StoreError`, and
   * then the relationship goes on.
   */
  async remove(
    trustDomain: TrustDomain,
    { actor, reason }: { readonly actor: string; readonly reason: string },
  ): Promise<void> {
    const poller = this.#pollerOf(trustDomain);
    // Called off at once; whatever it still does is waited for after the trust is gone.
    const stopped = poller.stop();
    const { store, clock } = this.#parts;
    let removed: boolean;
    try {
      removed = await store.removeRelationship(trustDomain, { at: clock.now(), actor, reason });
    } catch (error) {
      await ended(clock, stopped);
      // Not removed on record, so not removed: or it would be back, unannounced, after the next start.
      if (this.#pollers.get(trustDomain) === poller) this.#open(poller.relationship, 0).start();
      throw error;
    }
    if (this.#pollers.get(trustDomain) === poller) {
      this.#pollers.delete(trustDomain);
      this.#held.drop(trustDomain);
      this.#trusted.staleFrom(trustDomain, undefined);
      this.#theirSides.forget(trustDomain);
    }
    await ended(clock, stopped);
    if (!removed) throw notFederated(trustDomain);
  }

  /** Polls one peer, or all, now; joins polls in flight. Throws `FederationError` `not-federated`, `not-started`. */
  async refresh(trustDomain?: TrustDomain): Promise<RefreshResult[]> {
    this.#checkStarted();
    const wanted = trustDomain === undefined ? [...this.#pollers.values()] : [this.#pollerOf(trustDomain)];
    return Promise.all(wanted.map((poller) => poller.poll()));
  }

  /**
   * Polls one peer and lets in what it offers although it was quarantined or rolled back, this once and on record
   * (FED-52); with `digest` only if the offer is that one. Throws `FederationError` `not-federated`, `not-started`.
   */
  override(trustDomain: TrustDomain, override: OperatorOverride): Promise<RefreshResult> {
    return this.#pollerOf(trustDomain).pollAnew(override);
  }

  /** Puts a bundle of the operator in the place of the held one, then polls (FED-53, FED-58). Throws what `putOperatorBundle` throws. */
  async setBundle(
    trustDomain: TrustDomain,
    bundle: OperatorBundle,
  ): Promise<{ versionNumber: number; poll: RefreshOutcome }> {
    const poller = this.#pollerOf(trustDomain);
    const versionNumber = await putOperatorBundle(this.#parts, trustDomain, bundle);
    const { outcome } = await poller.pollAnew();
    return { versionNumber, poll: outcome };
  }

  /**
   * Changes the endpoint of a relationship, and asks it at once; what is trusted stays (FED-62). Throws what
   * `changeRelationship` throws, and `not-started`.
   */
  async change(
    trustDomain: TrustDomain,
    change: RelationshipChange,
  ): Promise<{ relationship: Relationship; poll: RefreshOutcome }> {
    const poller = this.#pollerOf(trustDomain);
    poller.adopt(await changeRelationship(this.#parts, poller.relationship, change, this.#known()));
    const { outcome } = await poller.pollAnew();
    return { relationship: poller.relationship, poll: outcome };
  }

  /** The relationship with a trust domain as it stands. */
  relationshipWith(trustDomain: TrustDomain): Relationship | undefined {
    return this.#pollers.get(trustDomain)?.relationship;
  }

  /** The reported roots that are held long enough to renew by an invitation. Or `StoreError`. */
  vouchingRoots(told: TrustBundle): Promise<TrustBundle | undefined> {
    return vouchingRoots(this.#parts, told);
  }

  /** How long it can take from one poll of a peer to the next, by the hint of the bundle that is held. */
  pollIntervalMs(trustDomain: TrustDomain): number {
    return pollIntervalMs(this.#held.bundleFor(trustDomain)?.refreshHintSeconds, this.#shared.schedule);
  }

  /** Notes how far a bundle (`contentDigest`) came in our mesh. The next request reports it. */
  noteInMesh(trustDomain: TrustDomain, digest: string, progress: MeshProgress, at: Date): void {
    if (this.#holding.reached(trustDomain, digest, progress, at))
      this.#pollers.get(trustDomain)?.tellHolding();
  }

  /** A peer has shown that it is up: where the last poll of it failed, it is asked now. */
  noteContact(trustDomain: TrustDomain): void {
    this.#pollers.get(trustDomain)?.peerIsBack();
  }

  /** How each address of a peer's endpoint did since the start; empty without a relationship. */
  endpoints(trustDomain: TrustDomain): EndpointHealth[] {
    return this.#pollers.get(trustDomain)?.endpoints() ?? [];
  }

  /** The relationship as the peer's endpoint reports it; undefined where it never did. */
  theirSide(trustDomain: TrustDomain): TheirSide | undefined {
    return this.#theirSides.of(trustDomain);
  }

  /** How every relationship stands, by trust domain. */
  status(): RelationshipStatus[] {
    return [...this.#pollers.values()]
      .map(({ relationship }) =>
        relationshipStatus(relationship, this.#held.bundleFor(relationship.trustDomain)),
      )
      .sort((a, b) => (a.trustDomain < b.trustDomain ? -1 : 1));
  }

  #known(): ReadonlyMap<TrustDomain, Relationship> {
    return new Map([...this.#pollers].map(([name, { relationship }]) => [name, relationship]));
  }

  #open(relationship: Relationship, firstPollInMs: number, tag?: RememberedTag): PeerPoller {
    const { trustDomain } = relationship;
    const poller = new PeerPoller({ relationship, firstPollInMs, tag, shared: this.#shared });
    this.#pollers.set(trustDomain, poller);
    // Added while the agent was being stopped: it is in the store, and is polled after the next start.
    if (this.#stop.signal.aborted) void poller.stop();
    return poller;
  }

  #pollerOf(trustDomain: TrustDomain): PeerPoller {
    this.#checkStarted();
    const poller = this.#pollers.get(trustDomain);
    if (!poller) throw notFederated(trustDomain);
    return poller;
  }

  #checkStarted(): void {
    if (this.#started && !this.#stop.signal.aborted) return;
    throw new FederationError('not-started', 'the federation agent is not running');
  }
}

function notFederated(trustDomain: TrustDomain): FederationError {
  return new FederationError('not-federated', `there is no relationship with ${trustDomain}`);
}
