import { pause, type Clock, type Log, Listeners, Turns } from '../../platform/index.ts';
import type { ImportReport, OwnService } from '../../services/index.ts';
import type { StatementSigner, TrustDomain } from '../../spiffe/index.ts';
import type { Store, StoredExport } from '../../store/index.ts';
import { applyDeclared } from './declared-entries.ts';
import { ExportBook } from './export-book.ts';
import { IssuedCatalogues, tooLarge } from './issued-catalogues.ts';
import type { DeclaredExports, OwnerSettings } from './settings.ts';

/** How often everything is looked at again without a sign of a change. */
const RESYNC_MS = 60_000;
/** How soon a version is tried again that came too early after others. */
const PACED_MS = 5000;

export interface ServiceOwnerParts {
  readonly settings: OwnerSettings;
  readonly store: Store;
  /** Our own trust domain, once the mesh has reported it. */
  readonly own: () => TrustDomain | undefined;
  readonly peers: () => readonly TrustDomain[];
  readonly signer: () => StatementSigner | undefined;
  /** What a peer proved that it does with our services. */
  readonly useOf: (consumer: TrustDomain) => ImportReport | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * The owner's side of the exchange: follows our services and the decisions about them, ends what has
 * drained, and gives every peer its catalogue.
 */
export class ServiceOwner {
  readonly book: ExportBook;
  readonly issued: IssuedCatalogues;
  readonly #parts: ServiceOwnerParts;
  readonly #listeners = new Listeners();
  readonly #turns = new Turns();
  readonly #stopping = new AbortController();
  readonly #tooLarge = new Map<TrustDomain, string>();
  /** The SNIs of each peer that were reported last, as one text. */
  readonly #wantedSni = new Map<TrustDomain, string>();
  #declared: DeclaredExports | undefined;
  #wake = new AbortController();
  #loop: Promise<void> | undefined;
  #isPaced = false;

  constructor(parts: ServiceOwnerParts) {
    const { settings, store, own, signer, useOf, clock } = parts;
    const { catalogueLifetimeMs: lifetimeMs, refreshHint } = settings;
    this.#parts = parts;
    this.issued = new IssuedCatalogues({ store, own, signer, lifetimeMs, refreshHint, clock });
    this.book = new ExportBook({ settings, store, own, issued: this.issued, useOf });
  }

  /** Calls back after every comparison: what the mesh, the gateway and peers need may have changed. */
  readonly onSettled = this.#listeners.add;

  async start(): Promise<void> {
    await this.book.refresh();
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    await this.#turns.settled();
  }

  /** Something may have changed: look soon. */
  compare(): void {
    this.#wake.abort();
  }

  /** What the mesh has now. */
  report(services: readonly OwnService[]): void {
    this.book.services.report(services);
    this.compare();
  }

  /** What the config file declares now. */
  declare(declared: DeclaredExports): void {
    this.#declared = declared;
    this.book.services.declare(declared.services);
    this.compare();
  }

  /** What the config file declares, and is not in effect. */
  get declared(): DeclaredExports | undefined {
    return this.#declared;
  }

  /** Why a peer's newest catalogue could not be issued; the one before stays in effect. */
  refusalOf(consumer: TrustDomain): string | undefined {
    return this.#tooLarge.get(consumer);
  }

  /**
   * Runs a change of the operator, then makes it count: when this resolves, peers that wait get
   * their new catalogue. Rejects with what `change` throws, and with `StoreError`.
   */
  change<Result>(change: () => Promise<Result>): Promise<Result> {
    return this.#turns.run(async () => {
      await this.book.refresh();
      const result = await change();
      await this.#settle();
      return result;
    });
  }

  /** Makes everything what it should be now. Rejects with `StoreError`. */
  settle(): Promise<void> {
    return this.#turns.run(() => this.#settle());
  }

  /**
   * Whether a peer gets a catalogue: while something is exported to it, and after that an empty one
   * for as long as the last list could be used. So it learns of the withdrawal from a signed list.
   */
  async serves(consumer: TrustDomain): Promise<boolean> {
    await this.book.refresh();
    if (this.book.exports.some((each) => each.consumer === consumer)) return true;
    const issued = await this.issued.of(consumer);
    if (!issued) return false;
    const sinceMs = this.#parts.clock.now().getTime() - issued.at.getTime();
    return issued.services.length === 0 && sinceMs < this.#parts.settings.catalogueLifetimeMs;
  }

  /** A peer has reported what it does with our services. Its mesh may need other SNIs now. */
  reported(consumer: TrustDomain): void {
    const wanted = [...(this.#parts.useOf(consumer)?.wantedSni ?? [])].join(' ');
    if (wanted === (this.#wantedSni.get(consumer) ?? '')) return;
    this.#wantedSni.set(consumer, wanted);
    this.compare();
  }

  /** Begins the end of an export. Rejects with `StoreError`. */
  async drain(service: string, consumer: TrustDomain, actor: string): Promise<StoredExport | undefined> {
    const { store, settings, clock } = this.#parts;
    const at = clock.now();
    const drainUntil = new Date(at.getTime() + settings.drainMs);
    const draining: StoredExport = { service, consumer, since: at, state: 'draining', drainUntil, actor };
    await store.putServiceExport(draining, {
      at,
      kind: 'service-withdrawn',
      trustDomain: consumer,
      actor,
      message: `${service} is withdrawn from ${consumer} and drains until ${drainUntil.toISOString()}`,
      detail: { service, drain_until: drainUntil.toISOString() },
    });
    return draining;
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#parts;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#wake = new AbortController();
      try {
        await this.settle();
      } catch (error) {
        log.error('the exports could not be updated', { error });
      }
      await pause(clock, this.#nextMs(), AbortSignal.any([signal, this.#wake.signal]));
    }
  }

  /** Until the next export has drained, or a version that came too early may be issued. */
  #nextMs(): number {
    const nowMs = this.#parts.clock.now().getTime();
    const drains = this.book.exports.map(({ drainUntil }) => (drainUntil?.getTime() ?? Infinity) - nowMs);
    const next = Math.min(RESYNC_MS, this.#isPaced ? PACED_MS : RESYNC_MS, ...drains);
    return Math.max(1, next);
  }

  async #settle(): Promise<void> {
    const { store, own, peers, clock } = this.#parts;
    const { book } = this;
    await book.refresh();
    if (own() === undefined) return;
    const known = peers();
    await applyDeclared(this.#declared, {
      store,
      book,
      hasRelationship: (trustDomain) => known.includes(trustDomain),
      drain: async (service, consumer, actor) => void (await this.drain(service, consumer, actor)),
      now: () => clock.now(),
    });
    await this.#endDrained();
    await book.refresh();
    this.#isPaced = false;
    this.issued.keepOnly(known);
    for (const consumer of known) await this.#issueFor(consumer);
    this.#listeners.notify();
  }

  async #endDrained(): Promise<void> {
    const { store, clock } = this.#parts;
    await this.book.refresh();
    const at = clock.now();
    for (const { service, consumer, drainUntil } of this.book.exports) {
      if (drainUntil === undefined || drainUntil > at) continue;
      await store.removeServiceExport(service, consumer, {
        at,
        kind: 'service-withdrawn',
        trustDomain: consumer,
        actor: 'agent',
        message: `${service} has drained and is no longer exported to ${consumer}`,
        detail: { service },
      });
    }
  }

  /** Gives a peer its catalogue. One that is too large is not issued, and the last good one stays. */
  async #issueFor(consumer: TrustDomain): Promise<void> {
    const before = await this.issued.of(consumer);
    const content = this.book.contentFor(consumer);
    if (!before && content.services.length === 0) return;
    const why = tooLarge(content);
    if (why === undefined) this.#tooLarge.delete(consumer);
    else {
      this.#tooLarge.set(consumer, why);
      return;
    }
    if (!(await this.issued.issue(consumer, content))) this.#isPaced = true;
  }
}
