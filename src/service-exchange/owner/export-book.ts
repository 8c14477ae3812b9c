import { isIP } from 'node:net';
import { addressKind } from '../../federation/index.ts';
import {
  type CatalogueContent,
  type ExportObstacle,
  exportObstacle,
  type ImportReport,
  isRoutableSni,
  mayCall,
  type OfferedService,
  offerOf,
  type OwnService,
  sniOf,
} from '../../services/index.ts';
import type { WantedAccess, WantedExport } from '../../mesh-adapters/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import type { Store, StoredExport } from '../../store/index.ts';
import { type GatewayRoute, routesOfExport } from './gateway-routes.ts';
import type { IssuedCatalogues } from './issued-catalogues.ts';
import { OwnServices } from './own-services.ts';
import { enforcedPolicy, fittingRules, type KeptRule, rulesByService } from './policies.ts';
import { readDeclaredService } from './service-document.ts';
import { MESH_ACTOR, type OwnerSettings } from './settings.ts';

export interface ExportBookParts {
  readonly settings: OwnerSettings;
  readonly store: Pick<Store, 'serviceExports' | 'accessRules' | 'ownServices'>;
  readonly own: () => TrustDomain | undefined;
  readonly issued: Pick<IssuedCatalogues, 'peek'>;
  readonly useOf: (consumer: TrustDomain) => ImportReport | undefined;
}

/**
 * Our services, to whom each is exported, and who may call it. The store is the truth: `refresh`
 * reads it again after every change.
 */
export class ExportBook {
  readonly services = new OwnServices();
  readonly #parts: ExportBookParts;
  #exports: readonly StoredExport[] = [];
  #byService: ReadonlyMap<string, readonly StoredExport[]> = new Map();
  #rules: ReadonlyMap<string, readonly KeptRule[]> = new Map();
  #sniCache: { readonly key: string; readonly owners: ReadonlyMap<string, string> } | undefined;

  constructor(parts: ExportBookParts) {
    this.#parts = parts;
  }

  /** Reads the store. Rejects with `StoreError`. */
  async refresh(): Promise<void> {
    const { store } = this.#parts;
    this.#exports = await store.serviceExports();
    this.#byService = Map.groupBy(this.#exports, ({ service }) => service);
    this.#sniCache = undefined;
    this.#rules = rulesByService(await store.accessRules());
    this.services.describe((await store.ownServices()).map(readDeclaredService));
  }

  /** All exports, by service and consumer. */
  get exports(): readonly StoredExport[] {
    return this.#exports;
  }

  exportOf(service: string, consumer: TrustDomain): StoredExport | undefined {
    return this.#byService.get(service)?.find((each) => each.consumer === consumer);
  }

  /** The peers that see a service; those for whom it drains too. */
  consumersOf(service: string): readonly TrustDomain[] {
    return (this.#byService.get(service) ?? []).map(({ consumer }) => consumer);
  }

  rulesOf(service: string): readonly KeptRule[] {
    return this.#rules.get(service) ?? [];
  }

  /** What a peer reports that it does with our services. */
  useOf(consumer: TrustDomain): ImportReport | undefined {
    return this.#parts.useOf(consumer);
  }

  /** The IDs of all services that have a rule. */
  ruled(): readonly string[] {
    return [...this.#rules.keys()];
  }

  get sniSuffix(): string {
    return this.#parts.settings.sniSuffix ?? this.#parts.own() ?? '';
  }

  /** Why a service cannot be exported; undefined where it can, or where it is unknown. */
  obstacleOf(service: OwnService): ExportObstacle | undefined {
    const own = this.#parts.own();
    if (own === undefined)
      return { code: 'own-bundle-unknown', message: 'our own mesh has not reported its roots yet' };
    const { sniSuffix } = this;
    const obstacle = exportObstacle(service, { own, sniSuffix });
    if (obstacle) return obstacle;
    for (const port of service.ports) {
      const sni = sniOf(service, port, sniSuffix) ?? '';
      const owner = this.#sniOwners().get(sni) ?? service.id;
      if (owner !== service.id)
        return { code: 'sni-taken', message: `${service.id} would have the SNI ${sni}, which ${owner} has` };
    }
    return undefined;
  }

  /** What a peer is to see now; with `more` as if that service were exported to it too. */
  contentFor(consumer: TrustDomain, more?: OwnService): CatalogueContent {
    const { settings, issued } = this.#parts;
    const before = new Map(issued.peek(consumer)?.services.map((each) => [String(each.id), each]));
    const rows = this.#exports.filter((each) => each.consumer === consumer);
    const isNew = more !== undefined && !rows.some(({ service }) => service === more.id);
    const services = [
      ...rows,
      ...(isNew ? [{ service: more.id, consumer, state: 'serving' as const }] : []),
    ].flatMap((each) => this.#offer(each, before.get(each.service)) ?? []);
    // Gateways without a service are nobody's business.
    return { gateways: services.length === 0 ? [] : settings.gateways, services };
  }

  /**
   * What the mesh is to export. It is not asked for what its own configuration exports, so that the
   * operator can end that there.
   */
  wantedExports(): readonly WantedExport[] {
    return this.#exported().map((service) => ({
      service,
      consumers: (this.#byService.get(service.id) ?? [])
        .filter(({ actor }) => actor !== MESH_ACTOR)
        .map(({ consumer }) => consumer),
    }));
  }

  /** The policies that the mesh is to enforce: of every service that is exported or has a rule. */
  wantedAccess(): readonly WantedAccess[] {
    const own = this.#parts.own();
    if (own === undefined) return [];
    const ids = new Set([...this.#byService.keys(), ...this.ruled()]);
    return [...ids].toSorted().flatMap((id) => {
      const service = this.services.lastSeen(id);
      if (!service) return [];
      const { namespace = '', labels } = service;
      const { rules } = fittingRules(service, this.#ruleList(id));
      const policy = enforcedPolicy(service, rules, { own, consumers: this.consumersOf(id) });
      return [{ policy, placement: { namespace, labels, peerNames: {} } }];
    });
  }

  /** The routes of our exports. */
  routes(): readonly GatewayRoute[] {
    const { sniSuffix } = this;
    const exported = this.#exported();
    const taken = new Set(
      exported.flatMap((service) => service.ports.map((port) => sniOf(service, port, sniSuffix))),
    );
    return exported.flatMap((service) => {
      const wanted = this.#wantedSnis(service.id, (sni) => isRoutableSni(sni) && !taken.has(sni));
      const routes = routesOfExport(service, { sniSuffix, wanted });
      for (const { sni } of routes) taken.add(sni);
      return routes;
    });
  }

  /** The SNIs of our exports. What a peer's mesh wants to send is a word of the peer, and not ours. */
  snis(): ReadonlySet<string> {
    const { sniSuffix } = this;
    return new Set(
      this.#exported().flatMap((service) =>
        service.ports.flatMap((port) => sniOf(service, port, sniSuffix) ?? []),
      ),
    );
  }

  /** The exported services that can be reached. */
  #exported(): readonly OwnService[] {
    return [...this.#byService.keys()].flatMap((id) => {
      const service = this.services.find(id);
      return service && this.obstacleOf(service) === undefined ? [service] : [];
    });
  }

  #offer(
    { service: id, consumer, state }: Pick<StoredExport, 'service' | 'consumer' | 'state'>,
    before: OfferedService | undefined,
  ): OfferedService | undefined {
    const { settings } = this.#parts;
    const service = this.services.find(id);
    const rules = this.#ruleList(id);
    if (service && this.obstacleOf(service)) return undefined;
    if (service) {
      const { sniSuffix } = this;
      const gateways = settings.gateways.map((gateway) => gateway.id);
      const fitting = fittingRules(service, rules);
      const networks = settings.networksWith(consumer);
      return offerOf(service, {
        consumer,
        rules: fitting.rules,
        state,
        sniSuffix,
        gateways,
        // A host name means something in our own network only, and not for others.
        directTo: (target) =>
          isReachable(target.host) ? networks.map((network) => ({ network, ...target })) : [],
      });
    }
    if (!before) return undefined;
    // The mesh may only be restarting, so the peer keeps what it knows of the service.
    const last = { id: before.id, ports: before.ports };
    const callers = mayCall({ service: last, rules: fittingRules(last, rules).rules }, consumer);
    const now = state === 'draining' ? state : this.services.wasRead ? 'down' : before.state;
    return { ...before, mayCall: callers, state: now };
  }

  #ruleList(service: string) {
    return this.rulesOf(service).map(({ rule }) => rule);
  }

  /** The SNIs that the meshes of importers compute for the ports of a service. */
  #wantedSnis(service: string, isFree: (sni: string) => boolean): ReadonlyMap<string, readonly string[]> {
    const wanted = new Map<string, string[]>();
    for (const consumer of this.consumersOf(service))
      for (const [place, sni] of this.#parts.useOf(consumer)?.wantedSni ?? [])
        if (place.startsWith(`${service}/`) && isFree(sni))
          wanted.set(place, [...(wanted.get(place) ?? []), sni]);
    return wanted;
  }

  /** Which exported service has each SNI; of two with one SNI the one that was exported first. */
  #sniOwners(): ReadonlyMap<string, string> {
    const { sniSuffix } = this;
    const key = `${sniSuffix} ${this.services.version}`;
    if (this.#sniCache?.key === key) return this.#sniCache.owners;
    const services = [...this.#byService].flatMap(([id, rows]) => {
      const service = this.services.find(id);
      return service ? [{ service, since: Math.min(...rows.map(({ since }) => since.getTime())) }] : [];
    });
    const owners = new Map<string, string>();
    for (const { service } of services.toSorted((a, b) => a.since - b.since))
      for (const port of service.ports) {
        const sni = sniOf(service, port, sniSuffix);
        if (sni !== undefined && !owners.has(sni)) owners.set(sni, service.id);
      }
    this.#sniCache = { key, owners };
    return owners;
  }
}

/** An importer refuses a list with an address of this machine or of a link. */
function isReachable(host: string): boolean {
  if (isIP(host) === 0 || host.includes('%')) return false;
  const kind = addressKind(host);
  return kind === 'public' || kind === 'private';
}
