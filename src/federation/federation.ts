import type { PeerVerifier } from '../mtls/index.ts';
import type { Metrics } from '../platform/index.ts';
import {
  type BundleSource,
  contentDigest,
  type StatementSigner,
  type TrustBundle,
  type TrustDomain,
} from '../spiffe/index.ts';
import type { Store } from '../store/index.ts';
import { createEndpointVerifier } from './fetch/endpoint-verifier.ts';
import type { Reach } from './fetch/reach.ts';
import type { RedirectSettings } from './fetch/redirects.ts';
import type { ScheduleSettings } from './fetch/schedule.ts';
import { TheirSides } from './fetch/their-side.ts';
import { HoldingStatements } from './holding/holding-statements.ts';
import { Distrusts } from './operator/distrust-key.ts';
import { OfferReviews } from './operator/offer-reviews.ts';
import { Relationships } from './operator/relationships.ts';
import { AddressNumbers } from './poll/address-numbers.ts';
import { EndpointClient } from './poll/endpoint-client.ts';
import { Peers, type PollSettings } from './poll/peers.ts';
import { CarriedBundles } from './signed-bundle/carried-bundles.ts';
import { HeldBundles } from './trust/held-bundles.ts';
import { LeftOutEntries } from './trust/left-out-entries.ts';
import { TrustedBundles } from './trust/trusted-bundles.ts';

/** What the federation works with. */
export interface FederationOptions extends Reach, PollSettings {
  readonly store: Store;
  /** Our own trust domain's bundle, once the mesh has reported it. */
  readonly own: () => TrustBundle | undefined;
  /** Our own trust domain by the configuration, which is known before the mesh reports a bundle. */
  readonly ownTrustDomain?: TrustDomain;
  readonly metrics: Metrics;
  readonly redirects: RedirectSettings;
  readonly schedule: ScheduleSettings;
  /** How long a key is held before it counts as an overlap over `https_web`. Default: a day. */
  readonly overlapLeadMs?: number | undefined;
  /** Refuses SVIDs of peers whose key usage is missing or not critical (X509-11); default false. */
  readonly strictKeyUsage?: boolean | undefined;
  /**
   * Signs what we report to peers about their bundles. Without a signer the agent reports nothing.
   */
  readonly signer?: () => StatementSigner | undefined;
}

/**
 * The parts that keep every relationship of the store fresh and serve the operator. The bundles are
 * in memory, and change only after the store has committed.
 */
export class Federation {
  /** Every foreign bundle that counts: without distrusted keys, and none of a stale peer. */
  readonly bundles: TrustedBundles;
  /** Every held foreign bundle: to explain a refusal, never to accept anything. */
  readonly held: HeldBundles;
  /** One poller for each relationship. */
  readonly peers: Peers;
  /** What an operator does with relationships. */
  readonly relationships: Relationships;
  /** The keys that the operator distrusts. */
  readonly distrusts: Distrusts;
  /** The offers that wait for the operator. */
  readonly reviews: OfferReviews;
  /** The signed bundles that peers sent, for others to fetch from us. */
  readonly carried = new CarriedBundles();
  /** Which entries of the peers' bundles are not used. */
  readonly leftOut = new LeftOutEntries();
  /** How relationships look from the peers' side. */
  readonly theirSides: TheirSides;
  /** What we report to each peer about its bundle. */
  readonly holding: HoldingStatements;
  /** What proves the SVIDs of peers' endpoints and agents. */
  readonly verifier: PeerVerifier;
  readonly #store: Store;
  readonly #stop = new AbortController();
  /** Waits for what ends by itself: distrusts, and the trust in peers that have become stale. */
  #waiting: Promise<void> | undefined;

  constructor(options: FederationOptions) {
    const { own, store, clock, log, signer = () => undefined } = options;
    const held = new HeldBundles(log);
    const trusted = new TrustedBundles({ held, clock, log });
    const addressNumbers = new AddressNumbers();
    const endpointBundles: BundleSource = {
      bundleFor: (trustDomain) =>
        own()?.trustDomain === trustDomain ? trusted.filter(own()) : trusted.evenStale.bundleFor(trustDomain),
      distrustedKeys: (trustDomain) => trusted.distrustedKeys(trustDomain),
    };
    this.#store = store;
    this.held = held;
    this.bundles = trusted;
    this.theirSides = new TheirSides({ store, clock, log });
    this.holding = new HoldingStatements({ signer, held, clock, log });
    this.verifier = createEndpointVerifier(options, endpointBundles);
    held.onChange((trustDomain, bundle) => {
      if (bundle) this.holding.holds(trustDomain, contentDigest(bundle), clock.now());
      else {
        this.holding.drops(trustDomain);
        this.carried.drop(trustDomain);
        addressNumbers.forget(trustDomain);
        this.leftOut.forget(trustDomain);
      }
    });
    const parts = {
      ...options,
      theirSides: this.theirSides,
      holding: this.holding,
      carried: this.carried,
      addressNumbers,
      leftOut: this.leftOut,
      held,
      trusted,
      endpointBundles,
      verifier: this.verifier,
    };
    const client = new EndpointClient(parts);
    const peers = new Peers({ ...parts, client }, this.#stop.signal);
    this.peers = peers;
    this.holding.onProgress((trustDomain) => peers.find(trustDomain)?.reportHolding());
    this.relationships = new Relationships(parts, peers, this.#stop.signal);
    this.distrusts = new Distrusts(parts, peers, signer);
    this.reviews = new OfferReviews(parts, peers);
  }

  /**
   * Loads what the store trusts (FED-47), then polls until `stop` or the signal. Resolves before
   * the first poll has ended. Throws `StoreError`.
   */
  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const [relationships, versions] = await Promise.all([
      this.#store.relationships(),
      this.#store.currentAll(),
      // Before any bundle: what is distrusted never counts, not even for a moment.
      this.distrusts.load(),
      this.theirSides.load(),
    ]);
    const current = new Map(versions.map((version) => [version.trustDomain, version]));
    for (const { trustDomain } of relationships) {
      const version = current.get(trustDomain);
      if (!version) continue;
      this.holding.holds(trustDomain, version.digest, version.receivedAt);
      this.held.replace(version.bundle);
    }
    this.#waiting = this.bundles.run(this.#stop.signal, {
      lapsed: (key) => void this.distrusts.lapsed(key),
      stale: (trustDomain) => void this.peers.find(trustDomain)?.becomeStale(),
    });
    signal.addEventListener('abort', () => void this.stop(), { once: true });
    this.peers.start(relationships);
  }

  /** Stops polling and calls off fetches in flight; what is trusted stays in `bundles`. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.peers.stop();
    await this.#waiting;
  }
}
