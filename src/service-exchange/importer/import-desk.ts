import { defined } from '../../objects/index.ts';
import type { Clock } from '../../platform/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import {
  catalogueContent,
  defaultAlias,
  importName,
  isDnsLabel,
  type OfferedService,
  type ServiceId,
} from '../../services/index.ts';
import { CONFIG_ACTOR, type NewEvent, type StoredImport, StoreError } from '../../store/index.ts';
import type { Decision } from './catalogue-desk.ts';
import type { PollOutcome } from './catalogue-poll.ts';
import { ImportError } from './errors.ts';
import type { Import } from './import-book.ts';
import type { ImportSettings } from './import-settings.ts';
import { offerOf } from './imported-service-of.ts';
import { DROPPED, isUsed } from './judge-import.ts';
import type { PendingCatalogue } from './pending-catalogues.ts';
import type { ServiceImporter } from './service-importer.ts';

/** What the operator or the config wants to import. */
export interface ImportRequest {
  readonly service: ServiceId;
  readonly from: TrustDomain;
  /** The host name; left out: made of the ID, the alias and the suffix. */
  readonly name?: string | undefined;
  readonly alias?: string | undefined;
  /** Left out: all. */
  readonly namespaces?: readonly string[] | undefined;
}

/** What one peer offers us now. */
export interface PeerOffers {
  readonly trustDomain: TrustDomain;
  readonly sequence: number | undefined;
  readonly receivedAt: Date | undefined;
  readonly expiresAt: Date | undefined;
  readonly services: readonly { readonly offered: OfferedService; readonly importedAs: string | undefined }[];
  readonly lastAnswer: { readonly outcome: PollOutcome; readonly at: Date } | undefined;
}

/** An import that the config declares and that cannot be made. */
export interface DeclaredConflict {
  readonly request: ImportRequest;
  readonly code: string;
  readonly message: string;
  readonly since: Date;
}

export interface ImportDeskParts {
  readonly importer: ServiceImporter;
  readonly settings: () => ImportSettings;
  readonly isOwnName: (host: string) => boolean;
  readonly clock: Clock;
}

const EVERYWHERE = ['*'];

/**
 * What an operator does with the services of peers: looks at offers, imports, drops, and decides
 * about lists that wait. The config declares imports in the same way.
 */
export class ImportDesk {
  readonly #parts: ImportDeskParts;
  #conflicts: readonly DeclaredConflict[] = [];

  constructor(parts: ImportDeskParts) {
    this.#parts = parts;
  }

  /** The imports of the config that cannot be made now. */
  get conflicts(): readonly DeclaredConflict[] {
    return this.#conflicts;
  }

  /** What peers offer, after asking them. Rejects with `ImportError` `not-federated`; `StoreError`. */
  async offers(trustDomain?: TrustDomain): Promise<readonly PeerOffers[]> {
    const { importer } = this.#parts;
    await importer.ask(trustDomain);
    const names = trustDomain === undefined ? importer.peers() : [trustDomain];
    return names.map((name) => this.#offersOf(name));
  }

  /**
   * Imports a service that its owner offers, or changes the name and the namespaces of an import.
   * Rejects with `ImportError` `not-federated`, `service-not-offered`, `import-name-taken`,
   * `import-sni-taken`, `declared-in-config`; `ImportNameError`; `StoreError`.
   */
  async import(request: ImportRequest, actor: string): Promise<Import> {
    const { importer } = this.#parts;
    const { service, from } = request;
    importer.relationshipOf(from);
    const known = importer.book.find(from, service);
    if (known?.row.actor === CONFIG_ACTOR) throw declared(known.row);
    if (!this.#offered(from, service)) await importer.ask(from);
    const offered = this.#offered(from, service);
    if (!offered)
      throw new ImportError(
        'service-not-offered',
        `${from} does not offer ${service} to us: its operator exports it with "federate service export"`,
      );
    return this.#put(request, actor, offered);
  }

  /**
   * Ends an import: it drains, then it is gone. `named` is its name or its ID. Rejects with
   * `ImportError` `not-imported`, `import-ambiguous`, `declared-in-config`; `StoreError`.
   */
  async drop(named: string, from: TrustDomain | undefined, actor: string): Promise<StoredImport> {
    const { importer, settings, clock } = this.#parts;
    const { row } = this.#find(named, from);
    if (row.actor === CONFIG_ACTOR) throw declared(row);
    return drop(importer, row, { actor, now: clock.now(), drainMs: settings().drainMs });
  }

  /** The lists that wait for a decision or were rejected and are still offered. */
  waiting(trustDomain?: TrustDomain): readonly PendingCatalogue[] {
    const { importer } = this.#parts;
    if (trustDomain !== undefined) importer.relationshipOf(trustDomain);
    return importer.pending
      .list()
      .filter(([name]) => trustDomain === undefined || name === trustDomain)
      .map(([, pending]) => pending);
  }

  /**
   * Takes exactly the list that waits, on record. Rejects with `ImportError` `not-federated`,
   * `nothing-waits`, `offer-changed`; `StoreError`.
   */
  async accept(trustDomain: TrustDomain, digest: string, by: Decision): Promise<PendingCatalogue> {
    const { importer } = this.#parts;
    const relationship = importer.relationshipOf(trustDomain);
    const pending = this.#pending(trustDomain, digest);
    await importer.desk.accept(relationship, pending.catalogue, by);
    importer.pending.drop(trustDomain);
    await importer.book.settle();
    importer.reconsider(trustDomain);
    return pending;
  }

  /** Keeps exactly the list that waits out for good, on record. Rejects as `accept` does. */
  async reject(trustDomain: TrustDomain, digest: string, by: Decision): Promise<PendingCatalogue> {
    const { importer, clock } = this.#parts;
    importer.relationshipOf(trustDomain);
    const pending = this.#pending(trustDomain, digest);
    await importer.desk.reject(pending.catalogue, pending.digest, by);
    importer.pending.note(trustDomain, { ...pending, status: 'rejected' }, clock.now());
    await importer.book.settle();
    return pending;
  }

  /**
   * Makes the imports of the config exactly these. One that is not offered yet waits for its offer.
   * One that cannot be made is a conflict, and stops no other. Rejects with `StoreError`.
   */
  async declare(wanted: readonly ImportRequest[]): Promise<void> {
    const { importer, settings, clock } = this.#parts;
    const isWanted = ({ row }: Import) =>
      wanted.some(({ service, from }) => row.service === service && row.trustDomain === from);
    for (const each of importer.book.list()) {
      if (each.row.actor !== CONFIG_ACTOR || isWanted(each) || each.row.reason?.code === DROPPED) continue;
      await drop(importer, each.row, { actor: CONFIG_ACTOR, now: clock.now(), drainMs: settings().drainMs });
    }
    const conflicts: DeclaredConflict[] = [];
    for (const request of wanted) {
      const conflict = await this.#declareOne(request);
      const before = this.#conflicts.find((each) => sameRequest(each.request, request));
      if (conflict) conflicts.push({ ...conflict, since: before?.since ?? clock.now() });
    }
    this.#conflicts = conflicts;
  }

  async #declareOne(request: ImportRequest): Promise<Omit<DeclaredConflict, 'since'> | undefined> {
    try {
      this.#parts.importer.relationshipOf(request.from);
      await this.#put(request, CONFIG_ACTOR, this.#offered(request.from, request.service));
      return undefined;
    } catch (error) {
      if (!(error instanceof Error) || !isRefusal(error)) throw error;
      return { request, code: error.code, message: error.message };
    }
  }

  async #put(request: ImportRequest, actor: string, offered: OfferedService | undefined): Promise<Import> {
    const { importer, isOwnName, clock } = this.#parts;
    const { service, from, namespaces = EVERYWHERE } = request;
    const known = importer.book.find(from, service);
    const name = this.#nameOf(request, known);
    const other = importer.book.list().find(({ row }) => row.name === name && row !== known?.row);
    if (other)
      throw new ImportError(
        'import-name-taken',
        `${name} is already the name of ${other.row.service} of ${other.row.trustDomain}: choose another one with --name`,
      );
    if (isOwnName(name))
      throw new ImportError('import-name-taken', `${name} is the name of a service of our own mesh`);
    this.#checkSnis(offered, from);
    const isDropped = known?.row.reason?.code === DROPPED;
    const same = known && !isDropped && known.row.name === name && equal(known.row.namespaces, namespaces);
    if (same && known.row.actor === actor) return known;
    const held = importer.held.of(from);
    // What was accepted for the import before stays what a new offer is compared with.
    const offer = offered && held ? catalogueContent(offerOf(held, offered)) : known?.row.offer;
    const now = clock.now();
    const row: StoredImport = {
      trustDomain: from,
      service,
      name,
      namespaces,
      since: known?.row.since ?? now,
      state: known && !isDropped ? known.row.state : 'absent',
      ...(known?.row.state === 'draining' && !isDropped ? defined({ drainUntil: known.row.drainUntil }) : {}),
      ...defined({ offer }),
      actor,
    };
    const event: NewEvent = {
      at: now,
      kind: 'service-imported',
      trustDomain: from,
      actor,
      message: `${service} of ${from} is imported as ${name}`,
      detail: { service, name, namespaces, spiffe_ids: offered?.spiffeIds ?? [] },
    };
    await importer.book.put(row, event);
    importer.reported(from);
    return importer.book.find(from, service) ?? { row, offer: undefined, accepted: undefined };
  }

  #nameOf({ service, from, name, alias }: ImportRequest, known: Import | undefined): string {
    if (name !== undefined) return name;
    if (alias === undefined && known) return known.row.name;
    const { suffix } = this.#parts.settings();
    return importName(service, alias ?? this.#aliasOf(from, suffix), suffix);
  }

  /** The alias that earlier imports gave the peer, else the first label of its trust domain. */
  #aliasOf(trustDomain: TrustDomain, suffix: string): string {
    const aliases = this.#parts.importer.book.list().flatMap(({ row }) => {
      const alias = aliasIn(row, suffix);
      return alias === undefined ? [] : [{ alias, owner: row.trustDomain }];
    });
    const own = aliases.find(({ owner }) => owner === trustDomain);
    return (
      own?.alias ?? defaultAlias(trustDomain, (alias) => aliases.find((each) => each.alias === alias)?.owner)
    );
  }

  /** Where several peers have one SNI, the first import keeps it. */
  #checkSnis(offered: OfferedService | undefined, from: TrustDomain): void {
    const taken = this.#parts.importer.book.snis();
    for (const { sni } of offered?.ports ?? []) {
      const owner = taken.get(sni);
      if (owner !== undefined && owner !== from)
        throw new ImportError(
          'import-sni-taken',
          `the SNI ${sni} of ${offered?.id} already leads to ${owner}`,
        );
    }
  }

  #offered(from: TrustDomain, service: string): OfferedService | undefined {
    const { importer, clock } = this.#parts;
    const held = importer.held.of(from);
    if (!held || importer.book.usableUntil(held) <= clock.now()) return undefined;
    return held.services.find(({ id }) => id === service);
  }

  #offersOf(trustDomain: TrustDomain): PeerOffers {
    const { importer } = this.#parts;
    const held = importer.held.of(trustDomain);
    return {
      trustDomain,
      sequence: held?.sequence,
      receivedAt: held?.receivedAt,
      expiresAt: held?.expiresAt,
      services: (held?.services ?? []).map((offered) => ({
        offered,
        importedAs: importer.book.find(trustDomain, offered.id)?.row.name,
      })),
      lastAnswer: importer.lastOf(trustDomain),
    };
  }

  #find(named: string, from: TrustDomain | undefined): Import {
    const found = this.#parts.importer.book
      .list()
      .filter(({ row }) => row.name === named || row.service === named)
      .filter(({ row }) => from === undefined || row.trustDomain === from);
    const [only] = found;
    if (!only)
      throw new ImportError(
        'not-imported',
        `nothing is imported under ${JSON.stringify(named.slice(0, 253))}`,
      );
    if (found.length > 1)
      throw new ImportError(
        'import-ambiguous',
        `${named} comes from ${found.map(({ row }) => row.trustDomain).join(' and ')}: name the peer with --from`,
      );
    return only;
  }

  #pending(trustDomain: TrustDomain, digest: string): PendingCatalogue {
    const pending = this.#parts.importer.pending.of(trustDomain);
    if (!pending) throw new ImportError('nothing-waits', `no list of ${trustDomain} waits for a decision`);
    if (!pending.digest.startsWith(digest))
      throw new ImportError(
        'offer-changed',
        `what ${trustDomain} offers now is sha256:${pending.digest}, not sha256:${digest}: nothing was decided`,
      );
    return pending;
  }
}

/** Lets an import drain, or removes it at once where nothing uses it. */
async function drop(
  importer: ServiceImporter,
  row: StoredImport,
  { actor, now, drainMs }: { readonly actor: string; readonly now: Date; readonly drainMs: number },
): Promise<StoredImport> {
  const { service, trustDomain, name, offer } = row;
  const { state: _, drainUntil: __, ...lasting } = row;
  const event: NewEvent = {
    at: now,
    kind: 'service-dropped',
    trustDomain,
    actor,
    message: `${name} ends: ${service} of ${trustDomain} is dropped`,
    detail: { service, name },
  };
  const dropped: StoredImport = {
    ...lasting,
    state: 'draining',
    drainUntil: new Date(now.getTime() + drainMs),
    reason: { code: DROPPED, message: 'the operator dropped it' },
    actor,
  };
  if (offer === undefined || !isUsed(row.state) || drainMs === 0) await importer.book.remove(row, event);
  else await importer.book.put(dropped, event);
  importer.reported(trustDomain);
  return dropped;
}

function aliasIn({ service, name }: StoredImport, suffix: string): string | undefined {
  const [start, end] = [`${service}.`, `.${suffix}`];
  if (!name.startsWith(start) || !name.endsWith(end)) return undefined;
  const alias = name.slice(start.length, -end.length);
  return isDnsLabel(alias) ? alias : undefined;
}

function declared({ service }: StoredImport): ImportError {
  return new ImportError(
    'declared-in-config',
    `the config file declares ${service}: change services.imports there`,
  );
}

/** A refusal of one import, unlike a store that cannot be written. */
function isRefusal(error: Error): error is Error & { readonly code: string } {
  const isOfStore = error instanceof StoreError;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return code !== undefined && (!isOfStore || code === 'relationship-gone' || code === 'import-name-taken');
}

function sameRequest(a: ImportRequest, b: ImportRequest): boolean {
  return a.service === b.service && a.from === b.from;
}

function equal(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((each) => b.includes(each));
}
