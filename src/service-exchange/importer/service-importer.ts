import {
  agentOf,
  type AddressGuard,
  type HoldingStatements,
  type HostLookup,
  type Reach,
  type ScheduleSettings,
} from '../../federation/index.ts';
import type { PeerVerifier, SvidSource } from '../../mtls/index.ts';
import { type Clock, type Log, pause, type Random } from '../../platform/index.ts';
import type { BundleSource, TrustDomain } from '../../spiffe/index.ts';
import type { CatalogueReading } from '../../services/index.ts';
import type { Relationship, Store } from '../../store/index.ts';
import { CatalogueDesk, type HostRules } from './catalogue-desk.ts';
import { CataloguePoll, type CataloguePollParts, type PollOutcome, RequestPlaces } from './catalogue-poll.ts';
import { ImportError } from './errors.ts';
import { HeldCatalogues } from './held-catalogues.ts';
import { DirectPaths } from './direct-paths.ts';
import { createHostRule } from './host-rule.ts';
import { ImportBook } from './import-book.ts';
import type { ImportSettings } from './import-settings.ts';
import { PendingCatalogues } from './pending-catalogues.ts';
import { type MeshAnswer, reportImports } from './report-imports.ts';
import { probeDirect } from './probe-direct.ts';
import { sniOwner } from './sni-owners.ts';

/** What importing services takes. */
export interface ServiceImporterParts extends Pick<Reach, 'proxy' | 'fetchLimits'> {
  readonly store: Store;
  readonly own: () => TrustDomain | undefined;
  readonly relationships: () => readonly Relationship[];
  /** Every bundle that counts now. */
  readonly bundles: BundleSource;
  readonly verifier: PeerVerifier;
  /** What our agent shows when it looks who is at a direct place. */
  readonly svid: SvidSource | undefined;
  readonly holding: Pick<HoldingStatements, 'statementFor' | 'reportImports'>;
  /** What our mesh did with the imports. */
  readonly meshAnswers: () => readonly MeshAnswer[];
  readonly lookup: HostLookup;
  readonly guard?: AddressGuard | undefined;
  readonly schedule: ScheduleSettings;
  /** How requests are held at endpoints that answer when their catalogue changes. */
  readonly hold: { readonly seconds: number; readonly most: number };
  readonly settings: () => ImportSettings;
  /** The SNIs of our exports. */
  readonly ownSnis: () => ReadonlySet<string>;
  /** Whether a host name is one of our own services. */
  readonly isOwnName: (host: string) => boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

interface Polling {
  readonly poll: CataloguePoll;
  readonly ended: Promise<void>;
  readonly stop: AbortController;
}

/** For waits that are cut short. */
const WOKEN = new Error('something else is to be waited for');

/**
 * What peers offer us, and what we import of it: asks each peer's agent, judges its answers, and
 * keeps the imports in step with what is offered and trusted.
 */
export class ServiceImporter {
  readonly held: HeldCatalogues;
  readonly pending = new PendingCatalogues();
  readonly book: ImportBook;
  readonly desk: CatalogueDesk;
  readonly #direct: DirectPaths;
  readonly #parts: ServiceImporterParts;
  readonly #places: RequestPlaces;
  readonly #polls = new Map<TrustDomain, Polling>();
  readonly #stopping = new AbortController();
  #timer: AbortController | undefined;
  #waiting: Promise<void> | undefined;
  #work: Promise<void> = Promise.resolve();

  constructor(parts: ServiceImporterParts) {
    this.#parts = parts;
    const { clock, log, store } = parts;
    this.held = new HeldCatalogues({ log, clock });
    this.#places = new RequestPlaces(parts.hold.most);
    this.#direct = new DirectPaths({
      probe: (target, signal) => probeDirect(target, parts, signal),
      targets: () => this.book.directTargets(),
      clock,
      random: parts.random,
      log,
    });
    this.#direct.onChange(() => this.book.pathsChanged());
    this.book = new ImportBook({
      store,
      held: this.held,
      pending: this.pending,
      settings: parts.settings,
      isTrusted: (trustDomain) => this.#isTrusted(trustDomain),
      isPeer: (trustDomain) => this.#relationshipWith(trustDomain) !== undefined,
      readingOf: (trustDomain) => this.#readingOf(trustDomain),
      isOwnName: parts.isOwnName,
      isDirect: (target) => this.#direct.isProved(target),
      clock,
      log,
    });
    this.desk = new CatalogueDesk({
      store,
      held: this.held,
      pending: this.pending,
      own: parts.own,
      bundles: parts.bundles,
      rulesFor: (peer) => this.#rulesFor(peer),
      lookup: parts.lookup,
      importedFrom: (trustDomain) => this.book.importedFrom(trustDomain),
      sniOwner: (sni, peer) =>
        sniOwner(sni, peer, {
          own: parts.own(),
          peers: parts.relationships().map(({ trustDomain }) => trustDomain),
          ownSnis: parts.ownSnis(),
          imported: this.book.snis(),
        }),
      clock,
      log,
    });
    parts.holding.reportImports((trustDomain) =>
      reportImports(trustDomain, {
        held: this.held,
        imports: this.book.list(),
        mesh: parts.meshAnswers(),
      }),
    );
    // Another end may come first now.
    this.book.onChange(() => this.#timer?.abort(WOKEN));
    this.book.onChange(() => this.#direct.wake());
  }

  /**
   * Takes up what is held and imported, then asks peers until `stop`. Resolves before the first
   * answer. Rejects with `StoreError`.
   */
  async start(): Promise<void> {
    this.held.restore(await this.#parts.store.heldCatalogues(), (name) => this.#readingOf(name));
    await this.book.load();
    this.#waiting = this.#settleInTime();
    this.#direct.start();
    this.peersChanged();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([...this.#polls.values()].map(({ ended }) => ended));
    await this.#direct.stop();
    await this.#waiting;
    await this.#work;
  }

  /** The bundle of a peer is another one, counts no more, or counts again. */
  trustChanged(trustDomain: TrustDomain): void {
    this.peersChanged();
    this.#polls.get(trustDomain)?.poll.wake();
    this.settle();
  }

  /** Begins to ask new peers, and forgets those that are not peers any more. */
  peersChanged(): void {
    if (this.#stopping.signal.aborted || !this.#waiting) return;
    const names = new Set(
      this.#parts
        .relationships()
        .filter(canBeAsked)
        .map(({ trustDomain }) => trustDomain),
    );
    for (const [trustDomain, { stop }] of this.#polls) {
      if (names.has(trustDomain)) continue;
      stop.abort();
      this.#polls.delete(trustDomain);
    }
    for (const [trustDomain] of [...this.held.list(), ...this.pending.list()]) {
      if (this.#relationshipWith(trustDomain)) continue;
      this.held.drop(trustDomain);
      this.pending.drop(trustDomain);
      this.desk.forget(trustDomain);
    }
    for (const trustDomain of names) if (!this.#polls.has(trustDomain)) this.#begin(trustDomain);
  }

  /** Judges every import again, soon. Never rejects. */
  settle(): void {
    const { log } = this.#parts;
    this.#work = this.book
      .settle()
      .catch((error: unknown) => log.error('the state of imports was not written', { error }));
  }

  /**
   * Asks one peer, or all, now. Rejects with `ImportError` `not-federated` for a trust domain
   * without a relationship; with `StoreError`.
   */
  async ask(trustDomain?: TrustDomain): Promise<void> {
    if (trustDomain !== undefined && !this.#relationshipWith(trustDomain)) throw notFederated(trustDomain);
    this.peersChanged();
    const polls = [...this.#polls].filter(([name]) => trustDomain === undefined || name === trustDomain);
    await Promise.all(polls.map(([, { poll }]) => poll.ask(this.#stopping.signal)));
  }

  /** How asking a peer went last. */
  lastOf(trustDomain: TrustDomain): { readonly outcome: PollOutcome; readonly at: Date } | undefined {
    return this.#polls.get(trustDomain)?.poll.last;
  }

  /** The trust domains whose agents are asked. */
  peers(): readonly TrustDomain[] {
    return [...this.#polls.keys()];
  }

  /**
   * What we import from a peer is another thing now. Its agent gets a report with the next request,
   * and a list that waits is judged again.
   */
  reported(trustDomain: TrustDomain): void {
    if (this.pending.of(trustDomain)) this.reconsider(trustDomain);
    else this.#polls.get(trustDomain)?.poll.wake();
  }

  /** Has a peer's whole catalogue judged again. */
  reconsider(trustDomain: TrustDomain): void {
    this.#polls.get(trustDomain)?.poll.reconsider();
  }

  /** The relationship with a peer. Throws `ImportError` `not-federated`. */
  relationshipOf(trustDomain: TrustDomain): Relationship {
    const found = this.#relationshipWith(trustDomain);
    if (!found) throw notFederated(trustDomain);
    return found;
  }

  #begin(trustDomain: TrustDomain): void {
    const { hold } = this.#parts;
    const parts: CataloguePollParts = {
      ...this.#parts,
      desk: this.desk,
      holdSeconds: hold.seconds,
      isTrusted: (name) => this.#isTrusted(name),
      confirmed: (name) => {
        if (!this.pending.of(name)) this.held.confirm(name);
      },
      judged: () => this.book.settle(),
    };
    const poll = new CataloguePoll(parts, this.#places, () => this.#relationshipWith(trustDomain));
    const stop = new AbortController();
    const ended = poll.run(AbortSignal.any([stop.signal, this.#stopping.signal]));
    this.#polls.set(trustDomain, { poll, stop, ended });
  }

  /** Judges imports again at each instant at which time alone changes a state. */
  async #settleInTime(): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const next = this.book.nextInstant();
      const ms = next ? Math.max(0, next.getTime() - clock.now().getTime()) : LOOK_EVERY_MS;
      this.#timer = new AbortController();
      await pause(clock, Math.min(ms, LOOK_EVERY_MS), AbortSignal.any([signal, this.#timer.signal]));
      if (signal.aborted) return;
      this.peersChanged();
      this.settle();
      await this.#work;
    }
  }

  #isTrusted(trustDomain: TrustDomain): boolean {
    return this.#parts.bundles.bundleFor(trustDomain) !== undefined;
  }

  #relationshipWith(trustDomain: TrustDomain): Relationship | undefined {
    return this.#parts.relationships().find((each) => each.trustDomain === trustDomain);
  }

  #readingOf(owner: TrustDomain): CatalogueReading | undefined {
    const audience = this.#parts.own();
    return audience === undefined ? undefined : { owner, audience, ...this.#rulesFor(owner) };
  }

  #rulesFor(peer: TrustDomain): HostRules {
    const { settings, guard } = this.#parts;
    const { allowedGatewayRanges, networksWith } = settings();
    const networks = networksWith(peer);
    return {
      refuseHost: createHostRule({ allowedRanges: allowedGatewayRanges, guard, networks }),
      sharesNetwork: (network) => networks.includes(network),
    };
  }
}

/** At least this often every import is judged again. */
const LOOK_EVERY_MS = 60_000;

/** A peer whose agent we know, at an endpoint that answers us. */
function canBeAsked(relationship: Relationship): boolean {
  return relationship.profile.kind !== 'signed_bundle' && agentOf(relationship) !== undefined;
}

function notFederated(trustDomain: TrustDomain): ImportError {
  return new ImportError('not-federated', `there is no relationship with ${trustDomain}`);
}
