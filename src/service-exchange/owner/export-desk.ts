import { didYouMean } from '../../platform/index.ts';
import { type OwnService, parseServiceId } from '../../services/index.ts';
import { pathOf, type TrustDomain, trustDomainOf } from '../../spiffe/index.ts';
import { CONFIG_ACTOR, type StoredExport } from '../../store/index.ts';
import { ExportError } from './errors.ts';
import { tooLarge } from './issued-catalogues.ts';
import { writeDeclaredService } from './service-document.ts';
import type { ServiceOwner, ServiceOwnerParts } from './service-owner.ts';
import { type DeclaredService, MESH_ACTOR, ownServiceOf } from './settings.ts';

/** What the desks of the owner need. */
export interface DeskParts
  extends Pick<ServiceOwnerParts, 'settings' | 'store' | 'own' | 'peers' | 'signer' | 'clock'> {
  readonly owner: ServiceOwner;
  /** Reads the services of the mesh again, because it may have got a new one just now. */
  readonly readMesh: () => Promise<void>;
}

/** The operator's decisions about exports. */
export class ExportDesk {
  readonly #parts: DeskParts;

  constructor(parts: DeskParts) {
    this.#parts = parts;
  }

  /**
   * Exports a service to peers. `described` is a service that the mesh does not report. Exporting
   * again what is exported changes nothing; a service that drains serves again. Rejects with
   * `ExportError`, `ServiceError`, `StoreError`.
   */
  async export(
    request: {
      readonly service: string;
      readonly to: readonly TrustDomain[];
      readonly described?: DeclaredService;
    },
    actor: string,
  ): Promise<readonly StoredExport[]> {
    const id = parseServiceId(request.service);
    const { owner, readMesh } = this.#parts;
    if (!request.described && !owner.book.services.find(id)) await readMesh();
    return owner.change(async () => {
      for (const consumer of request.to) this.#checkConsumer(consumer);
      if (request.described) await this.#describe(request.described, actor);
      const service = this.#find(id);
      this.#checkExportable(service);
      for (const consumer of request.to) this.#checkRoom(service, consumer);
      for (const consumer of request.to) await this.#put(id, consumer, actor);
      await owner.book.refresh();
      return request.to.flatMap((consumer) => owner.book.exportOf(id, consumer) ?? []);
    });
  }

  /**
   * Withdraws a service: it drains, then it is gone. Without `from` from every peer. Rejects with
   * `ExportError`, `StoreError`.
   */
  withdraw(
    { service, from }: { readonly service: string; readonly from?: readonly TrustDomain[] },
    actor: string,
  ): Promise<readonly StoredExport[]> {
    const { owner } = this.#parts;
    return owner.change(async () => {
      const consumers = from ?? owner.book.consumersOf(service);
      if (consumers.length === 0)
        throw new ExportError('not-exported', `${quoted(service)} is not exported to any peer`);
      const rows = consumers.map((consumer) => {
        const row = owner.book.exportOf(service, consumer);
        if (!row) throw new ExportError('not-exported', `${quoted(service)} is not exported to ${consumer}`);
        checkActor(row.actor, `the export of ${service} to ${consumer}`);
        return row;
      });
      for (const { consumer, state } of rows)
        if (state === 'serving') await owner.drain(service, consumer, actor);
      await owner.book.refresh();
      return rows.flatMap(({ consumer }) => owner.book.exportOf(service, consumer) ?? []);
    });
  }

  /** Forgets a service that was described at the command line. Rejects with `ExportError`, `StoreError`. */
  forget(service: string, actor: string): Promise<void> {
    const { owner, store, clock } = this.#parts;
    return owner.change(async () => {
      if (owner.book.services.isInConfig(service)) checkActor(CONFIG_ACTOR, `the service ${service}`);
      if (owner.book.consumersOf(service).length > 0)
        throw new ExportError('service-still-exported', `${service} is still exported: withdraw it first`);
      const message = `${service} is no longer described`;
      const at = clock.now();
      const detail = { service };
      if (!(await store.removeOwnService(service, { at, kind: 'service-forgotten', actor, message, detail })))
        throw this.#unknown(service);
      await owner.book.refresh();
    });
  }

  #find(id: string): OwnService {
    const service = this.#parts.owner.book.services.find(id);
    if (!service) throw this.#unknown(id);
    return service;
  }

  #unknown(id: string): ExportError {
    const known = this.#parts.owner.book.services.list().map((each) => String(each.id));
    return new ExportError(
      'service-unknown',
      `the mesh has no service ${quoted(id)}${didYouMean(id, known)}, and the operator describes none`,
    );
  }

  #checkConsumer(consumer: TrustDomain): void {
    const { own, peers, settings } = this.#parts;
    const ours = own();
    if (ours === undefined)
      throw new ExportError('own-bundle-unknown', 'our own mesh has not reported its roots yet');
    if (consumer === ours)
      throw new ExportError(
        'export-to-self',
        `${consumer} is our own trust domain, and exports are for peers`,
      );
    const known = peers();
    if (!known.includes(consumer))
      throw new ExportError(
        'peer-unknown',
        `there is no relationship with ${consumer}${didYouMean(consumer, known)}`,
      );
    if (!this.#parts.signer())
      throw new ExportError('no-svid', 'this agent has no SVID to sign the list for peers with');
    if (settings.gateways.length === 0)
      throw new ExportError(
        'no-gateway',
        'no gateway is in the config (services.gateways), so no peer could reach the service',
      );
  }

  #checkExportable(service: OwnService): void {
    const obstacle = this.#parts.owner.book.obstacleOf(service);
    if (obstacle)
      throw new ExportError(
        'service-not-exportable',
        `${service.id} cannot be exported: ${obstacle.message} [${obstacle.code}]`,
      );
  }

  /** Nothing is promised to a peer that its catalogue cannot carry. */
  #checkRoom(service: OwnService, consumer: TrustDomain): void {
    const { owner } = this.#parts;
    const why = tooLarge(owner.book.contentFor(consumer, service));
    if (why !== undefined)
      throw new ExportError(
        'catalogue-too-large',
        `the catalogue for ${consumer} has no room for ${service.id}: ${why}`,
      );
  }

  async #put(service: string, consumer: TrustDomain, actor: string): Promise<void> {
    const { owner, store, clock } = this.#parts;
    const row = owner.book.exportOf(service, consumer);
    if (row?.state === 'serving') return;
    if (row) checkActor(row.actor, `the export of ${service} to ${consumer}`);
    const at = clock.now();
    await store.putServiceExport(
      { service, consumer, since: at, state: 'serving', actor },
      {
        at,
        kind: 'service-exported',
        trustDomain: consumer,
        actor,
        message: `${service} is exported to ${consumer}`,
        detail: { service },
      },
    );
  }

  async #describe(described: DeclaredService, actor: string): Promise<void> {
    const { owner, store, own, clock } = this.#parts;
    const { id, spiffeIds } = described;
    if (owner.book.services.isInConfig(id)) checkActor(CONFIG_ACTOR, `the service ${id}`);
    const foreign = spiffeIds.find((each) => trustDomainOf(each) !== own() || pathOf(each) === '');
    if (foreign !== undefined)
      throw new ExportError(
        'service-foreign-identity',
        `${id} cannot have the identity ${foreign}, which is not a workload of ${own()}`,
      );
    this.#checkExportable(ownServiceOf(described));
    const at = clock.now();
    await store.putOwnService(
      { id, document: writeDeclaredService(described), declaredAt: at, actor },
      {
        at,
        kind: 'service-declared',
        actor,
        message: `${id} is described as a service of ours, answered by ${spiffeIds.join(', ')}`,
        detail: { service: id, spiffe_ids: spiffeIds },
      },
    );
    await owner.book.refresh();
  }
}

/** One owner per entry: what a file or the mesh declares, no verb changes. Throws `ExportError`. */
export function checkActor(actor: string, what: string): void {
  if (actor === CONFIG_ACTOR)
    throw new ExportError('declared-in-config', `${what} is declared in the config file: change it there`);
  if (actor === MESH_ACTOR)
    throw new ExportError(
      'declared-in-mesh',
      `${what} is declared in the configuration of the mesh: change it there`,
    );
}

export function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 120));
}
