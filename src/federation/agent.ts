import { createEndpointVerifier } from './endpoint-verifier.ts';
import type { PeerVerifier } from '../mtls/index.ts';
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
  /** The endpoint's answer after a bundle from a file; a failure keeps the relationship. */
  readonly firstPoll?: RefreshOutcome;
}

/**
 * Keeps every relationship of the store fresh, with one loop per peer, and serves the operator.
 * `bundles` is in memory, and changes only after the store has committed.
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
    this.#shared = {
      parts: this.#parts,
      schedule: options.schedule,
      budget: options.changeBudget ?? defaultChangeBudgetSettings,
      retries: new TokenBucket(clock, retryRate),
      slots: new PollSlots(pollSlotSettings(options.concurrency, clock)),
      watch: options.watch,
      watchPlaces: new WatchPlaces(options.watch.most),
      observe: createAgentMetrics(options.metrics, clock, () => this.relationships()).observe,
    };
  }

  /** Every foreign bundle that counts: without distrusted keys, and none of a stale peer. */
  get bundles(): BundleSource & { list(): readonly TrustBundle[] } {
    return this.#trusted;
  }

  /** Every held foreign bundle: to explain a refusal, never to accept anything. */
  get held(): Pick<HeldBundles, 'bundleFor' | 'onChange'> {
    return this.#held;
  }

  /** What proves the SVIDs of peers' endpoints and agents. */
  get verifier(): PeerVerifier {
    return this.#parts.verifier;
  }

  /** Signs what we report to each peer about its bundle. */
  get holding(): Pick<HoldingStatements, 'statementFor'> {
    return this.#holding;
  }

  /** Every relationship as its last poll left it. */
  relationships(): readonly Relationship[] {
    return [...this.#pollers.values()].map(({ relationship }) => relationship);
  }

  /** Reports each changed foreign bundle (`undefined`: removed) until the result is called. */
  onChange(listener: BundleListener): () => void {
    return this.#trusted.onChange(listener);
  }

  /**
   * Loads what the store trusts (FED-47), then polls until `stop` or the signal. Resolves before
   * the first poll has ended. Throws `StoreError`.
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

  /**
   * Bootstraps a relationship and starts polling it. After a bundle from a file the result has the
   * endpoint's answer, also a failure. Throws as `addRelationship`, and `not-started`.
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

  /** Checks whether `add` would accept this; writes nothing. Throws as `add` before it writes. */
  async check(request: AddRequest): Promise<void> {
    this.#checkStarted();
    await prepareRelationship(this.#parts, request, this.#known(), this.#stop.signal);
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
    const poller = this.#pollerOf(trustDomain);
    // Called off at once; whatever it still does is waited for after the trust is gone.
    const stopped = poller.stop();
    const { store, clock } = this.#parts;
    let removed: boolean;
    try {
      removed = await store.removeRelationship(trustDomain, { at: clock.now(), actor, reason });
    } catch (error) {
      await ended(clock, stopped);
      // Without a record the relationship continues: the next start would bring it back.
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

  /** Polls one peer, or all. Throws `FederationError` `not-federated`, `not-started`. */
  async refresh(trustDomain?: TrustDomain): Promise<RefreshResult[]> {
    this.#checkStarted();
    const wanted = trustDomain === undefined ? [...this.#pollers.values()] : [this.#pollerOf(trustDomain)];
    return Promise.all(wanted.map((poller) => poller.poll()));
  }

  /**
   * Polls one peer and accepts its offer despite quarantine or rollback, once (FED-52); with
   * `digest` only that offer. Throws `FederationError` `not-federated`, `not-started`.
   */
  override(trustDomain: TrustDomain, override: OperatorOverride): Promise<RefreshResult> {
    return this.#pollerOf(trustDomain).pollAnew(override);
  }

  /** Replaces the held bundle with the operator's (FED-53, FED-58). See `putOperatorBundle`. */
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
   * Changes the endpoint of a relationship and polls it; the trust stays (FED-62). Throws as
   * `changeRelationship`, and `not-started`.
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

  /** The longest time from one poll of a peer to the next, by the hint of the held bundle. */
  pollIntervalMs(trustDomain: TrustDomain): number {
    return pollIntervalMs(this.#held.bundleFor(trustDomain)?.refreshHintSeconds, this.#shared.schedule);
  }

  /** Notes how far a bundle (`contentDigest`) came in our mesh. The next request reports it. */
  noteInMesh(trustDomain: TrustDomain, digest: string, progress: MeshProgress, at: Date): void {
    if (this.#holding.reached(trustDomain, digest, progress, at))
      this.#pollers.get(trustDomain)?.tellHolding();
  }

  /** A peer has shown that it is up: polls it now if its last poll failed. */
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

  /** The state of every relationship, by trust domain. */
  status(): RelationshipStatus[] {
    return this.relationships()
      .map((each) => relationshipStatus(each, this.#held.bundleFor(each.trustDomain)))
      .sort((a, b) => (a.trustDomain < b.trustDomain ? -1 : 1));
  }

  #known(): ReadonlyMap<TrustDomain, Relationship> {
    return new Map([...this.#pollers].map(([name, { relationship }]) => [name, relationship]));
  }

  #open(relationship: Relationship, firstPollInMs: number, tag?: RememberedTag): PeerPoller {
    const { trustDomain } = relationship;
    const poller = new PeerPoller({ relationship, firstPollInMs, tag, shared: this.#shared });
    this.#pollers.set(trustDomain, poller);
    // Added during the stop: it is in the store, and the next start polls it.
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
