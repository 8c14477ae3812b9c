import { type Clock, Listeners, type Log, type Random } from '../../../platform/index.ts';
import {
  type AccessFilter,
  accessFilters,
  type DiscoveredService,
  discoveredServices,
  DiscoveryClient,
  INBOUND_FILTERS,
} from '../../../workload-api/index.ts';
import type { AccessSource, JudgedRequest, RequestVerdict } from '../access/access-source.ts';
import { judgeFilters } from '../access/judge-filters.ts';
import type { Upstream, UpstreamSource } from '../upstream/upstream.ts';

/** A service by the name that the mesh gives it. */
export interface ServiceName {
  readonly host: string;
  /** Needed where the service has several ports. */
  readonly port?: number;
}

/**
 * What the control plane of the mesh says about the surroundings of this sidecar, over the socket
 * that gives the SVID: which services there are, and whom the workload lets in. When the control
 * plane is gone, the last state stays.
 */
export class MeshDiscovery implements AccessSource {
  readonly #services: DiscoveryClient<DiscoveredService & { readonly name: string }>;
  readonly #filters: DiscoveryClient<AccessFilter>;

  constructor(options: {
    readonly socket: string;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
  }) {
    const common = { ...options, socketPath: options.socket, nodeId: 'federate-sidecar' };
    this.#services = new DiscoveryClient({ ...common, kind: discoveredServices });
    this.#filters = new DiscoveryClient({
      ...common,
      kind: accessFilters,
      resourceNames: Object.values(INBOUND_FILTERS),
    });
  }

  start(): void {
    this.#services.start();
    this.#filters.start();
  }

  async stop(): Promise<void> {
    await Promise.all([this.#services.stop(), this.#filters.stop()]);
  }

  judge(request: JudgedRequest): RequestVerdict {
    const [deny, allow] = [INBOUND_FILTERS.deny, INBOUND_FILTERS.allow].map((name) =>
      this.#filters.current(name),
    );
    if (!deny || !allow) return { allowed: false, code: 'mesh-silent' };
    return judgeFilters({ deny: deny.rules, allow: allow.rules }, request);
  }

  /** The endpoints of a service, as they change. Without one it has none, and says why. */
  upstream({ host, port }: ServiceName): UpstreamSource {
    const name = port === undefined ? host : `${host}:${port}`;
    const read = (): Upstream => {
      const found = this.#services.all().filter((each) => each.host === host);
      const chosen = port === undefined ? found : found.filter((each) => each.port === port);
      const [only] = chosen;
      if (only && chosen.length === 1)
        return only.endpoints.length > 0
          ? { name, endpoints: endpointsOf(only) }
          : { name, endpoints: [], absence: drainingOf(name) };
      return { name, endpoints: [], absence: this.#absenceOf(name, found) };
    };
    const listeners = new Listeners();
    let current = read();
    this.#services.onChange(() => {
      current = read();
      listeners.notify();
    });
    return {
      name,
      // Before the first answer the reason can change without a service.
      current: () => (current.endpoints.length > 0 ? current : read()),
      onChange: listeners.add,
    };
  }

  #absenceOf(name: string, found: readonly DiscoveredService[]): Upstream['absence'] {
    if (!this.#services.answered)
      return {
        code: 'mesh-silent',
        message: `the control plane has not reported its services yet, so ${name} is not known`,
      };
    if (found.length > 0)
      return {
        code: 'service-port-unknown',
        message: `${name} names none of its ports, or several: it has ${found.map(({ port }) => port).join(', ')}`,
      };
    return {
      code: 'service-unknown',
      message: `this mesh has no service ${name} for us: it was not imported, or it was withdrawn`,
    };
  }
}

const drainingOf = (name: string) => ({
  code: 'service-draining' as const,
  message: `${name} is withdrawn or dropped, and takes no new requests`,
});

function endpointsOf({ endpoints, sni, spiffeIds }: DiscoveredService): Upstream['endpoints'] {
  return endpoints.map(({ host, port, priority }) => ({
    address: host,
    port,
    serverName: sni,
    spiffeIds,
    priority,
  }));
}
