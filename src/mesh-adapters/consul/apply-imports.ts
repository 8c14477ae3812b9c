import type { Clock } from '../../platform/index.ts';
import type { ImportedService, ServiceId } from '../../services/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import type { ServiceReport } from '../contract/mesh-services.ts';
import { type Announcement, type AnnouncedService, announcementOf } from './announcement.ts';
import type { ImportsByPeer } from './peer-imports.ts';
import { peerNameOf } from './render.ts';
import type { ForeignTrustWriter } from './write-foreign-trust.ts';

export interface ImportWriterOptions {
  readonly imports: ImportsByPeer;
  readonly writer: Pick<ForeignTrustWriter, 'servicesChanged' | 'servicesSettled'>;
  readonly peerNamePrefix: string;
  readonly clock: Clock;
}

const NOTHING: Announcement = { services: [], refused: [] };

/**
 * Announces imports to Consul over the peering streams, as the services of each peer. Consul's own
 * proxies reach them by an upstream with `destination_peer`.
 */
export class ImportWriter {
  readonly #options: ImportWriterOptions;
  /** The names that imports have in Consul, by trust domain. */
  #held: Map<TrustDomain, ReadonlyMap<string, ServiceId>> = new Map();

  constructor(options: ImportWriterOptions) {
    this.#options = options;
  }

  async apply(wanted: readonly ImportedService[], signal: AbortSignal): Promise<readonly ServiceReport[]> {
    const { imports, writer } = this.#options;
    const before = this.#held;
    const byPeer = Map.groupBy(wanted, ({ trustDomain }) => trustDomain);
    const announced = new Map<TrustDomain, Announcement>();
    for (const [trustDomain, services] of byPeer)
      announced.set(trustDomain, announcementOf(services, this.#held.get(trustDomain)));
    this.#held = new Map(
      [...announced].map(([trustDomain, { services }]) => [
        trustDomain,
        new Map(services.map(({ name, id }) => [name, id])),
      ]),
    );
    imports.want(new Map([...announced].map(([trustDomain, { services }]) => [trustDomain, services])));
    writer.servicesChanged();
    const reports = await Promise.all(
      [...new Set([...imports.trustDomains, ...announced.keys()])].map(async (trustDomain) => {
        const hasPeering = await writer.servicesSettled(trustDomain, signal);
        const announcement = announced.get(trustDomain) ?? NOTHING;
        return [
          ...this.#reportsOf(trustDomain, announcement, hasPeering),
          ...(hasPeering ? this.#leaving(trustDomain, announcement, before.get(trustDomain)) : []),
        ];
      }),
    );
    return reports.flat();
  }

  /** The imports that are not wanted any more, and that the cluster has not given back yet. */
  #leaving(
    trustDomain: TrustDomain,
    { services, refused }: Announcement,
    before: ReadonlyMap<string, ServiceId> = new Map(),
  ): readonly ServiceReport[] {
    if (this.#options.imports.of(trustDomain).isSettled) return [];
    const named = new Set([...services, ...refused].map(({ id }) => id));
    const left = [...before].filter(([, id]) => !named.has(id));
    // They stay known until the cluster answers, because its next answer ends them.
    this.#held.set(trustDomain, new Map([...(this.#held.get(trustDomain) ?? []), ...left]));
    return [...new Set(left.map(([, id]) => id))].map((service) => ({
      subject: 'import',
      service,
      trustDomain,
      state: 'failed',
      code: 'mesh-not-gone',
      message: `Consul has not answered yet that ${service} of ${trustDomain} is gone`,
      at: this.#options.clock.now(),
    }));
  }

  #reportsOf(
    trustDomain: TrustDomain,
    { services, refused }: Announcement,
    hasPeering: boolean,
  ): readonly ServiceReport[] {
    const common = { subject: 'import', trustDomain, at: this.#options.clock.now() } as const;
    return [
      ...[...Map.groupBy(services, ({ id }) => id)].map(
        ([service, ports]): ServiceReport => ({
          ...common,
          service,
          ...(hasPeering ? this.#outcomeOf(trustDomain, ports) : withoutPeering(trustDomain)),
        }),
      ),
      ...refused.map(
        ({ id, code, message }): ServiceReport => ({
          ...common,
          service: id,
          state: 'refused',
          code,
          message,
        }),
      ),
    ];
  }

  /** The outcome of the port that is furthest from accepted, with the names by which callers reach it. */
  #outcomeOf(
    trustDomain: TrustDomain,
    ports: readonly AnnouncedService[],
  ): Pick<ServiceReport, 'state' | 'code' | 'message'> {
    const { imports, peerNamePrefix } = this.#options;
    const outcomes = ports.map((port) => imports.of(trustDomain).outcomeOf(port));
    const worst =
      outcomes.find(({ state }) => state === 'refused') ?? outcomes.find(({ state }) => state !== 'accepted');
    if (worst) return worst;
    const peer = peerNameOf(trustDomain, peerNamePrefix);
    const names = ports.map(({ name, port }) => (ports.length > 1 ? `${name} (port ${port})` : name));
    const partial = ports.some(({ leavesOut }) => leavesOut)
      ? '; Consul has no priorities, so it has the endpoints of the first one alone'
      : '';
    return {
      state: 'accepted',
      code: 'upstream-name',
      message: `the upstream has destination_peer "${peer}" and destination_name ${names.join(', ')}${partial}`,
    };
  }
}

function withoutPeering(trustDomain: TrustDomain): Pick<ServiceReport, 'state' | 'code' | 'message'> {
  return {
    state: 'pending',
    code: 'peering-missing',
    message: `Consul has no peering with the bundle of ${trustDomain} yet, and a peering carries the services`,
  };
}
