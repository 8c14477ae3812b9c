import type { Clock } from '../../platform/index.ts';
import type { ImportedService, ServiceId } from '../../services/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import { judgeImports, type ServiceFault } from '../contract/judge-imports.ts';
import type { ServiceReport } from '../contract/mesh-services.ts';
import { importSubject, serviceReport } from '../contract/service-report.ts';
import { type AnnouncedService, announcementOf } from './announcement.ts';
import type { ConsulClient } from './consul-client.ts';
import { missingInCatalog } from './imported-in-catalog.ts';
import type { ImportsByPeer } from './peer-imports.ts';
import { peerNameOf } from './render.ts';
import type { ForeignTrustWriter } from './write-foreign-trust.ts';

export interface ImportWriterOptions {
  readonly client: ConsulClient;
  readonly imports: ImportsByPeer;
  readonly writer: Pick<ForeignTrustWriter, 'sendAgain' | 'servicesChanged' | 'servicesSettled'>;
  readonly peerNamePrefix: string;
  readonly clock: Clock;
}

/** The names that the imports of one peer have in Consul. */
type HeldNames = ReadonlyMap<string, ServiceId>;

/**
 * Announces imports to Consul over the peering streams, as the services of each peer. Consul's own
 * proxies reach them by an upstream with `destination_peer`.
 */
export class ImportWriter {
  readonly #options: ImportWriterOptions;
  #held: ReadonlyMap<TrustDomain, HeldNames> = new Map();

  constructor(options: ImportWriterOptions) {
    this.#options = options;
  }

  /** Throws `MeshAdapterError` where the catalog cannot be read. */
  async apply(wanted: readonly ImportedService[], signal: AbortSignal): Promise<readonly ServiceReport[]> {
    const { imports, writer } = this.#options;
    const before = this.#held;
    const faults = new Map<ImportedService, ServiceFault>();
    const possible: ImportedService[] = [];
    for (const { service, fault } of judgeImports(wanted))
      if (fault) faults.set(service, fault);
      else possible.push(service);
    const announced = new Map<TrustDomain, readonly AnnouncedService[]>();
    for (const [trustDomain, services] of Map.groupBy(possible, (each) => each.trustDomain)) {
      const { services: named, refused } = announcementOf(services, before.get(trustDomain));
      announced.set(trustDomain, named);
      for (const { id, code, message } of refused) {
        const service = services.find((each) => each.id === id);
        if (service) faults.set(service, { code, message });
      }
    }
    imports.want(announced);
    for (const [trustDomain, services] of announced) {
      const refused = services.filter((each) => imports.of(trustDomain).outcomeOf(each).state === 'refused');
      this.#sendAgain(trustDomain, refused);
    }
    writer.servicesChanged();
    const peers = [...new Set([...imports.trustDomains, ...announced.keys()])];
    const settled = new Map(
      await Promise.all(
        peers.map(
          async (each) => [each, await this.#settle(each, announced.get(each) ?? [], signal)] as const,
        ),
      ),
    );
    const gone = peers.flatMap((each) =>
      this.#goneOf(each, announced.get(each) ?? [], before.get(each), settled.get(each) ?? false),
    );
    this.#remember(announced, gone, before);
    return [
      ...wanted.map((service) => {
        const subject = importSubject(service);
        const fault = faults.get(service);
        if (fault) return serviceReport(subject, 'refused', this.#options.clock.now(), fault);
        const ports = (announced.get(service.trustDomain) ?? []).filter(({ id }) => id === service.id);
        return this.#reportOf(service, ports, settled.get(service.trustDomain) ?? false);
      }),
      ...gone,
    ];
  }

  /**
   * Waits for the answers about a peer's services, and sends those again that the catalog does not
   * have. Returns false where no peering could carry them.
   */
  async #settle(
    trustDomain: TrustDomain,
    announced: readonly AnnouncedService[],
    signal: AbortSignal,
  ): Promise<boolean> {
    const { client, imports, writer, peerNamePrefix } = this.#options;
    const peering = imports.of(trustDomain);
    const hasPeering = await writer.servicesSettled(trustDomain, signal);
    const accepted = announced.filter((each) => peering.outcomeOf(each).state === 'accepted');
    if (!hasPeering || accepted.length === 0) return hasPeering;
    const missing = await missingInCatalog(client, peerNameOf(trustDomain, peerNamePrefix), accepted, signal);
    if (missing.length === 0) return true;
    this.#sendAgain(trustDomain, missing);
    return await writer.servicesSettled(trustDomain, signal);
  }

  #sendAgain(trustDomain: TrustDomain, services: readonly AnnouncedService[]): void {
    if (services.length === 0) return;
    const names = services.map(({ name }) => name);
    this.#options.imports.of(trustDomain).forget(names);
    this.#options.writer.sendAgain(trustDomain, names);
  }

  /** The report by the port that is furthest from accepted, with the names by which callers reach it. */
  #reportOf(
    service: ImportedService,
    ports: readonly AnnouncedService[],
    hasPeering: boolean,
  ): ServiceReport {
    const { imports, peerNamePrefix, clock } = this.#options;
    const { trustDomain } = service;
    const subject = importSubject(service);
    const now = clock.now();
    if (!hasPeering)
      return serviceReport(subject, 'pending', now, {
        code: 'peering-missing',
        message: `Consul has no peering with the bundle of ${trustDomain} yet, and a peering carries the services`,
      });
    const outcomes = ports.map((port) => imports.of(trustDomain).outcomeOf(port));
    const worst =
      outcomes.find(({ state }) => state === 'refused') ?? outcomes.find(({ state }) => state !== 'accepted');
    if (worst) return serviceReport(subject, worst.state, now, worst.fault);
    const peer = peerNameOf(trustDomain, peerNamePrefix);
    const names = ports.map(({ name, port }) => (ports.length > 1 ? `${name} (port ${port})` : name));
    const partial = ports.some(({ leavesOut }) => leavesOut)
      ? '; Consul has no priorities, so it has the endpoints of the first one alone'
      : '';
    return serviceReport(subject, 'accepted', now, {
      code: 'upstream-name',
      message: `the upstream has destination_peer "${peer}" and destination_name ${names.join(', ')}${partial}`,
    });
  }

  /** The state of the imports of a peer that are not wanted any more. */
  #goneOf(
    trustDomain: TrustDomain,
    announced: readonly AnnouncedService[],
    before: HeldNames | undefined,
    hasPeering: boolean,
  ): readonly ServiceReport[] {
    const wanted = new Set(announced.map(({ id }) => id));
    const left = [...new Set(before?.values())].filter((id) => !wanted.has(id));
    const isGone = !hasPeering || this.#options.imports.of(trustDomain).isSettled;
    return left.map((service) =>
      isGone
        ? serviceReport({ subject: 'import', service, trustDomain }, 'removed', this.#options.clock.now())
        : serviceReport({ subject: 'import', service, trustDomain }, 'failed', this.#options.clock.now(), {
            code: 'mesh-not-gone',
            message: `Consul has not answered yet that ${service} of ${trustDomain} is gone`,
          }),
    );
  }

  /** Keeps the names that are used, and those of imports that the cluster has not given back yet. */
  #remember(
    announced: ReadonlyMap<TrustDomain, readonly AnnouncedService[]>,
    gone: readonly ServiceReport[],
    before: ReadonlyMap<TrustDomain, HeldNames>,
  ): void {
    const held = new Map<TrustDomain, Map<string, ServiceId>>();
    const namesOf = (trustDomain: TrustDomain) => {
      const names = held.get(trustDomain) ?? new Map<string, ServiceId>();
      held.set(trustDomain, names);
      return names;
    };
    for (const { trustDomain, service, state } of gone) {
      if (trustDomain === undefined || state !== 'failed') continue;
      for (const [name, id] of before.get(trustDomain) ?? [])
        if (id === service) namesOf(trustDomain).set(name, id);
    }
    for (const [trustDomain, services] of announced)
      for (const { name, id } of services) namesOf(trustDomain).set(name, id);
    this.#held = held;
  }
}
