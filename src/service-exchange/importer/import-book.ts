import { type Clock, Listeners, type Log, Turns } from '../../platform/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import {
  catalogueContent,
  type CatalogueContent,
  type CatalogueContext,
  CatalogueError,
  type CatalogueReading,
  type ImportedEndpoint,
  type ImportedService,
  type OfferedService,
} from '../../services/index.ts';
import type { NewEvent, StateReason, Store, StoredImport } from '../../store/index.ts';
import { isGone } from './catalogue-desk.ts';
import { type DirectTarget, directTargets } from './direct-paths.ts';
import { type Held, type HeldCatalogues, readContent } from './held-catalogues.ts';
import type { ImportSettings } from './import-settings.ts';
import { gatewayEndpoints, importedServiceOf, offerOf } from './imported-service-of.ts';
import { DROPPED, isUsed, judgeImport } from './judge-import.ts';
import type { PendingCatalogues } from './pending-catalogues.ts';

export interface ImportBookParts {
  readonly store: Store;
  readonly held: HeldCatalogues;
  readonly pending: PendingCatalogues;
  readonly settings: () => ImportSettings;
  /** Whether the bundle of a peer counts now. */
  readonly isTrusted: (trustDomain: TrustDomain) => boolean;
  readonly isPeer: (trustDomain: TrustDomain) => boolean;
  /** How what a peer offered is read; undefined until our own trust domain is known. */
  readonly readingOf: (trustDomain: TrustDomain) => CatalogueReading | undefined;
  /** Whether a host name is one of our own services. */
  readonly isOwnName: (host: string) => boolean;
  /** Whether a place at a workload itself is proved. */
  readonly isDirect: (target: DirectTarget) => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** An import with what its owner offered when it was accepted last. */
export interface Import {
  readonly row: StoredImport;
  readonly offer: CatalogueContent | undefined;
  /** The same also where today's settings refuse its addresses: a new offer is compared with it. */
  readonly accepted: CatalogueContent | undefined;
}

/** Where an SNI that our callers send to the egress gateway leads. */
export interface EgressRoute {
  readonly sni: string;
  readonly endpoints: readonly ImportedEndpoint[];
}

/** The import that came first with each SNI, of those that are used. */
type FirstUsers = ReadonlyMap<string, StoredImport>;

/** Of an import that frees an SNI, one that then has it, and so on. */
const MOST_PASSES = 3;

/**
 * Every import and its state, in memory as it is in the store. `settle` compares the states with
 * what is offered and trusted now. What the mesh is to know follows from the states.
 */
export class ImportBook {
  readonly #parts: ImportBookParts;
  /** By trust domain and service, in the order in which they were imported. */
  readonly #imports = new Map<string, Import>();
  readonly #turns = new Turns();
  readonly #changed = new Listeners();
  #published = '';

  constructor(parts: ImportBookParts) {
    this.#parts = parts;
  }

  /** Takes up the imports of the store. Rejects with `StoreError`. */
  async load(): Promise<void> {
    const rows = await this.#parts.store.serviceImports();
    for (const row of rows.toSorted((a, b) => a.since.getTime() - b.since.getTime())) this.#keep(row);
    await this.settle();
  }

  list(): readonly Import[] {
    return [...this.#imports.values()];
  }

  find(trustDomain: TrustDomain, service: string): Import | undefined {
    return this.#imports.get(keyOf({ trustDomain, service }));
  }

  /** What the judge of catalogues needs to know of the imports of one peer. */
  importedFrom(trustDomain: TrustDomain): CatalogueContext['imported'] {
    return this.list().flatMap(({ row, accepted }) =>
      row.trustDomain === trustDomain ? (accepted?.services ?? []) : [],
    );
  }

  /** The SNIs of all imports that are used, with the peer that each leads to. */
  snis(): ReadonlyMap<string, TrustDomain> {
    const all = this.list().flatMap(({ row, offer }) =>
      isUsed(row.state) ? snisOf(offer).map((sni) => [sni, row.trustDomain] as const) : [],
    );
    return new Map(all);
  }

  /** What our mesh is to know. Each has SNI, SPIFFE IDs and scope, or is not listed (invariant 12). */
  wanted(): readonly ImportedService[] {
    const { egressGateway } = this.#parts.settings();
    return this.#used().map(({ row, service, gateways }) =>
      importedServiceOf(row, service, gateways, egressGateway, this.#parts.isDirect),
    );
  }

  /** The places at workloads that owners name for what we use. */
  directTargets(): readonly DirectTarget[] {
    return this.#used().flatMap(({ row, service }) => directTargets(row.trustDomain, service));
  }

  /** What is proved of direct places is another thing now. */
  pathsChanged(): void {
    this.#announce();
  }

  /** Where the egress gateway leads each SNI of an import; empty without an egress gateway. */
  egressRoutes(): readonly EgressRoute[] {
    if (!this.#parts.settings().egressGateway) return [];
    return this.#used().flatMap(({ service, gateways }) =>
      service.ports.map(({ sni, gateways: used }) => ({
        sni,
        endpoints: gatewayEndpoints(used, gateways),
      })),
    );
  }

  /** Calls back whenever the wanted imports or the egress routes are others. */
  onChange(listener: () => void): () => void {
    return this.#changed.add(listener);
  }

  /** The next instant at which a state changes by time alone. */
  nextInstant(): Date | undefined {
    const { held, clock } = this.#parts;
    const now = clock.now();
    const ends = held.list().map(([, each]) => this.usableUntil(each));
    const instants = [...this.list().flatMap(({ row }) => row.drainUntil ?? []), ...ends];
    return instants.filter((at) => at > now).toSorted((a, b) => a.getTime() - b.getTime())[0];
  }

  /** Until when a catalogue may be used: its end, or, by the operator's policy, when it is overdue. */
  usableUntil({ confirmedAt, expiresAt }: Pick<Held, 'confirmedAt' | 'expiresAt'>): Date {
    const { stalePolicy, overdueMs } = this.#parts.settings();
    const overdue = new Date(confirmedAt.getTime() + overdueMs);
    return stalePolicy === 'remove' && overdue < expiresAt ? overdue : expiresAt;
  }

  /**
   * Judges an import, and writes it with its event. Resolves with how it stands. Rejects with
   * `StoreError`.
   */
  async put(row: StoredImport, event: NewEvent): Promise<StoredImport> {
    const judged = await this.#turns.run(async () => {
      const next = this.#judge({ row, ...this.#read(row) }, this.#firstUsers());
      const kept = next === 'remove' ? row : next;
      await this.#parts.store.putServiceImport(kept, event);
      this.#keep(kept);
      return kept;
    });
    await this.settle();
    return this.find(row.trustDomain, row.service)?.row ?? judged;
  }

  /** Removes an import at once. Rejects with `StoreError`. */
  async remove({ trustDomain, service }: StoredImport, event: NewEvent): Promise<void> {
    await this.#turns.run(async () => {
      await this.#parts.store.removeServiceImport(trustDomain, service, event);
      this.#imports.delete(keyOf({ trustDomain, service }));
    });
    await this.settle();
  }

  /**
   * Judges every import again, writes what changed, and announces it. Rejects with `StoreError`.
   */
  settle(): Promise<void> {
    // What rests on trust that ended goes at once, before anything is written.
    this.#announce();
    return this.#turns.run(async () => {
      try {
        // An import that ends may free a name or an SNI for a later one.
        for (let pass = 0, isChanged = true; isChanged && pass < MOST_PASSES; pass += 1)
          isChanged = await this.#settleAll();
      } finally {
        this.#announce();
      }
    });
  }

  async #settleAll(): Promise<boolean> {
    const users = this.#firstUsers();
    let isChanged = false;
    for (const each of this.list()) if (await this.#settleOne(each, users)) isChanged = true;
    return isChanged;
  }

  /** Resolves with whether the import has another state. */
  async #settleOne(each: Import, users: FirstUsers): Promise<boolean> {
    const { store, isPeer, clock, log } = this.#parts;
    const { row } = each;
    if (!isPeer(row.trustDomain)) {
      // The store removed the row together with the relationship.
      this.#imports.delete(keyOf(row));
      return true;
    }
    const next = this.#judge(each, users);
    if (next === 'remove') {
      this.#imports.delete(keyOf(row));
      await store.removeServiceImport(row.trustDomain, row.service, this.#event('service-dropped', row));
      return true;
    }
    if (isSame(row, next)) return false;
    this.#keep(next);
    const isNews = row.state !== next.state;
    try {
      await store.putServiceImport(next, isNews ? this.#event('service-changed', next) : undefined);
    } catch (error) {
      if (!isGone(error)) throw error;
      this.#imports.delete(keyOf(row));
    }
    if (isNews)
      log.info('an import has another state', {
        service: next.service,
        trustDomain: next.trustDomain,
        state: next.state,
        code: next.reason?.code,
        at: clock.now().toISOString(),
      });
    return isNews;
  }

  #judge(each: Pick<Import, 'row'>, users: FirstUsers): StoredImport | 'remove' {
    const { held, pending, settings, isTrusted, clock } = this.#parts;
    const { row } = each;
    const { drainMs } = settings();
    const now = clock.now();
    const catalogue = held.of(row.trustDomain);
    const offered = catalogue?.services.find(({ id }) => id === row.service);
    const verdict = judgeImport({
      row,
      trusted: isTrusted(row.trustDomain),
      catalogue: catalogue ? (this.usableUntil(catalogue) > now ? 'fresh' : 'stale') : 'none',
      offered,
      suspicion: pending.suspicionOf(row.trustDomain, row.service),
      conflict: offered && this.#conflictOf(row, offered, users),
      now,
      drainMs,
    });
    if (verdict.remove) return 'remove';
    const { state: _, reason: __, drainUntil: ___, offer, ...lasting } = row;
    const { remove: ____, ...judged } = verdict;
    // What drains or is gone keeps what was accepted last.
    const last =
      catalogue && offered && row.reason?.code !== DROPPED
        ? catalogueContent(offerOf(catalogue, offered))
        : offer;
    return { ...lasting, ...judged, ...(last === undefined ? {} : { offer: last }) };
  }

  /** Why a name or an SNI cannot be used: the import that came first keeps both. */
  #conflictOf(row: StoredImport, { ports }: OfferedService, users: FirstUsers): StateReason | undefined {
    if (this.#parts.isOwnName(row.name))
      return { code: 'name-conflict', message: `${row.name} is the name of a service of our own mesh` };
    for (const { sni } of ports) {
      const first = users.get(sni);
      if (!first || keyOf(first) === keyOf(row) || (isUsed(row.state) && first.since > row.since)) continue;
      return {
        code: 'sni-conflict',
        message: `${sni} already leads to ${first.service} of ${first.trustDomain}`,
      };
    }
    return undefined;
  }

  #firstUsers(): FirstUsers {
    const users = new Map<string, StoredImport>();
    for (const { row, offer } of this.list()) {
      if (!isUsed(row.state)) continue;
      for (const sni of snisOf(offer)) if (!users.has(sni)) users.set(sni, row);
    }
    return users;
  }

  #used() {
    return this.list().flatMap(({ row, offer }) => {
      const [service] = offer?.services ?? [];
      const isTrusted = this.#parts.isTrusted(row.trustDomain);
      if (!offer || !service || !isUsed(row.state) || !isTrusted) return [];
      return [{ row, service, gateways: offer.gateways }];
    });
  }

  #keep(row: StoredImport): void {
    const before = this.#imports.get(keyOf(row));
    const { offer, accepted } = before && before.row.offer === row.offer ? before : this.#read(row);
    this.#imports.set(keyOf(row), { row, offer, accepted });
  }

  /** What today's settings refuse does not count, also where it was accepted once. */
  #read({ trustDomain, service, offer }: StoredImport): Omit<Import, 'row'> {
    const reading = this.#parts.readingOf(trustDomain);
    if (offer === undefined || !reading) return { offer: undefined, accepted: undefined };
    const accepted = readContent(offer, { ...reading, refuseHost: () => undefined });
    try {
      return { offer: readContent(offer, reading), accepted };
    } catch (error) {
      if (!(error instanceof CatalogueError)) throw error;
      this.#parts.log.warn('an import is not used', { trustDomain, service, error });
      return { offer: undefined, accepted };
    }
  }

  #event(kind: NewEvent['kind'], row: StoredImport): NewEvent {
    const { trustDomain, service, name, state, reason } = row;
    const why = reason === undefined ? '' : `: ${reason.message}`;
    const what = kind === 'service-dropped' ? 'is gone' : `is ${state}`;
    return {
      at: this.#parts.clock.now(),
      kind,
      trustDomain,
      actor: 'agent',
      message: `${name} ${what}${why}`,
      detail: { service, name, state },
      ...(reason === undefined ? {} : { code: reason.code }),
    };
  }

  #announce(): void {
    const now = JSON.stringify([this.wanted(), this.egressRoutes()]);
    if (now === this.#published) return;
    this.#published = now;
    this.#changed.notify();
  }
}

function keyOf({ trustDomain, service }: Pick<StoredImport, 'trustDomain' | 'service'>): string {
  return `${trustDomain} ${service}`;
}

function snisOf(offer: CatalogueContent | undefined): readonly string[] {
  return offer?.services.flatMap(({ ports }) => ports.map(({ sni }) => sni)) ?? [];
}

function isSame(a: StoredImport, b: StoredImport): boolean {
  const text = ({ state, reason, drainUntil, offer }: StoredImport) =>
    JSON.stringify([state, reason?.code, reason?.message, drainUntil?.getTime(), offer]);
  return text(a) === text(b);
}
