import { type Metrics, TokenBucket } from '../../platform/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import type { Relationship } from '../../store/index.ts';
import { FederationError } from '../fetch/errors.ts';
import { retryRate } from '../fetch/schedule.ts';
import { type RelationshipStatus, relationshipStatus } from '../trust/relationship-status.ts';
import { type ChangeBudgetSettings, defaultChangeBudgetSettings } from './change-budget.ts';
import { ended } from './ended.ts';
import { WatchPlaces, type WatchSettings } from './endpoint-watch.ts';
import { PeerPoller, type PollParts, type SharedByPollers } from './peer-poller.ts';
import { createPollMetrics } from './poll-metrics.ts';
import { PollSlots, pollSlotSettings } from './poll-slots.ts';
import type { RefreshResult, RememberedTag } from './refresh-outcome.ts';

/** How all peers are polled. */
export interface PollSettings {
  /** How often the bundle of one peer may change; default `defaultChangeBudgetSettings`. */
  readonly changeBudget?: ChangeBudgetSettings;
  readonly watch: WatchSettings;
  /**
   * Polls at the same time, over all peers. Polls that wait long for their endpoint are counted
   * apart, see `PollSlots`.
   */
  readonly concurrency: number;
}

/**
 * One poller for each relationship, from its beginning to its end. They share the slots, the
 * retries and the held requests.
 */
export class Peers {
  readonly #parts: PollParts;
  readonly #shared: SharedByPollers;
  readonly #stopping: AbortSignal;
  readonly #pollers = new Map<TrustDomain, PeerPoller>();
  #isStarted = false;

  /** Nothing is opened any more once `stopping` aborts. */
  constructor(parts: PollParts & PollSettings & { readonly metrics: Metrics }, stopping: AbortSignal) {
    const { clock, concurrency, watch, metrics } = parts;
    this.#parts = parts;
    this.#stopping = stopping;
    this.#shared = {
      parts,
      budget: parts.changeBudget ?? defaultChangeBudgetSettings,
      retries: new TokenBucket(clock, retryRate),
      slots: new PollSlots(pollSlotSettings(concurrency, clock)),
      watch,
      watchPlaces: new WatchPlaces(watch.most),
      observe: createPollMetrics(metrics, clock, () => this.relationships()).observe,
    };
  }

  /** Begins to poll these relationships. */
  start(relationships: readonly Relationship[]): void {
    this.#isStarted = true;
    for (const relationship of relationships) this.open(relationship, 0).start();
  }

  /** Calls off all polls, and waits some seconds for their ends. */
  async stop(): Promise<void> {
    const { clock } = this.#parts;
    await Promise.all([...this.#pollers.values()].map((poller) => ended(clock, poller.stop())));
  }

  /**
   * Creates the poller of a relationship; the caller starts it. `tag` names the document that the
   * bootstrap fetched.
   */
  open(relationship: Relationship, firstPollInMs: number, tag?: RememberedTag): PeerPoller {
    const poller = new PeerPoller({ relationship, firstPollInMs, tag, shared: this.#shared });
    this.#pollers.set(relationship.trustDomain, poller);
    // Added during the stop: it is in the store, and the next start polls it.
    if (this.#stopping.aborted) void poller.stop();
    return poller;
  }

  /** Forgets a poller that has stopped. False where another one has taken its place. */
  close(poller: PeerPoller): boolean {
    const { trustDomain } = poller.relationship;
    return this.#pollers.get(trustDomain) === poller && this.#pollers.delete(trustDomain);
  }

  /** The poller of a relationship, if there is one. */
  find(trustDomain: TrustDomain): PeerPoller | undefined {
    return this.#pollers.get(trustDomain);
  }

  /** The poller of a relationship. Throws `FederationError` `not-federated`, `not-started`. */
  of(trustDomain: TrustDomain): PeerPoller {
    this.checkStarted();
    const poller = this.#pollers.get(trustDomain);
    if (!poller) throw notFederated(trustDomain);
    return poller;
  }

  /** Polls one peer, or all. Rejects with `FederationError` `not-federated`, `not-started`. */
  async poll(trustDomain?: TrustDomain): Promise<RefreshResult[]> {
    this.checkStarted();
    const wanted = trustDomain === undefined ? [...this.#pollers.values()] : [this.of(trustDomain)];
    return Promise.all(wanted.map((poller) => poller.poll()));
  }

  /** Every relationship as its last poll left it. */
  relationships(): readonly Relationship[] {
    return [...this.#pollers.values()].map(({ relationship }) => relationship);
  }

  /** Every poller, by trust domain. */
  list(): readonly PeerPoller[] {
    return [...this.#pollers].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, poller]) => poller);
  }

  /** The state of every relationship, by trust domain. */
  status(): readonly RelationshipStatus[] {
    return this.list().map(({ relationship }) =>
      relationshipStatus(relationship, this.#parts.held.bundleFor(relationship.trustDomain)),
    );
  }

  /** Throws `FederationError` `not-started` before the start and after the stop. */
  checkStarted(): void {
    if (this.#isStarted && !this.#stopping.aborted) return;
    throw new FederationError('not-started', 'the federation agent is not running');
  }
}

/** The error of a request about a peer without a relationship. */
export function notFederated(trustDomain: TrustDomain): FederationError {
  return new FederationError('not-federated', `there is no relationship with ${trustDomain}`);
}
