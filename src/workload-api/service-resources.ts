import type { AnyMessage, Rbac } from '../grpc/index.ts';
import type { ListenAddress } from '../platform/index.ts';
import type { AccessPolicy, ImportedService } from '../services/index.ts';
import { compilers } from '../services/index.ts';
import { encodeAccessFilter } from './access-filter.ts';
import { clusterName, encodeDiscoveredService } from './discovered-service.ts';
import type { NamedResources } from './discovery-service.ts';
import { encodeOutboundListener, OUTBOUND_LISTENER } from './outbound-listener.ts';
import { SECRET_NAMES } from './trust-secrets.ts';

/** What proxies of a socket are to know of services. */
export interface KnownServices {
  readonly imports: readonly ImportedService[];
  readonly access: readonly AccessPolicy[];
}

export interface ServiceResources {
  readonly clusters: NamedResources;
  readonly listeners: NamedResources;
  readonly filters: NamedResources;
}

/**
 * Writes services as resources of Envoy: one cluster for each port of an import, one listener that
 * routes HTTP by host name, and the access filters of our own services. A cluster trusts the roots of
 * the service's own trust domain, and only its SPIFFE IDs.
 */
export function serviceResources(
  { imports, access }: KnownServices,
  listen: ListenAddress | undefined,
): ServiceResources {
  const ports = imports.flatMap((service) => service.ports.map((port) => ({ service, port })));
  const clusters = ports.map(({ service: { name: host, spiffeIds, trustDomain }, port }) => {
    const { port: number, sni, endpoints, protocol } = port;
    const isHttp2 = protocol === 'http2' || protocol === 'grpc';
    const secrets = { identity: SECRET_NAMES.identity, validation: `spiffe://${trustDomain}` };
    const service = { host, port: number, sni, spiffeIds, endpoints, isHttp2 };
    return [clusterName(service), encodeDiscoveredService(service, secrets)] as const;
  });
  // A service that drains keeps its cluster for open connections, and takes no new request.
  const called = ports
    .filter(({ service: { state }, port }) => state === 'serving' && port.protocol !== 'tcp')
    .map(({ service: { name: host }, port: { port } }) => ({ host, port }));
  return {
    clusters: new Map(clusters),
    listeners: new Map(listen ? [[OUTBOUND_LISTENER, encodeOutboundListener(listen, called)]] : []),
    filters: new Map(access.flatMap(filtersOf)),
  };
}

/** What the compiler for Envoy writes for one port. */
interface CompiledPort {
  readonly port: string;
  readonly filters: readonly { readonly name: string; readonly typed_config: { readonly rules: Rbac } }[];
}

const FILTER_NAME = /^[^/]+\/[^/]+\/(deny|allow)(-connections)?$/;

/**
 * The names of the filters of a port: `info/http/deny` and `info/http/allow`, and for TCP
 * `db/sql/deny-connections` and `db/sql/allow-connections`.
 */
export function filterNames(
  service: string,
  port: string,
  level: 'http' | 'tcp',
): { readonly deny: string; readonly allow: string } {
  const suffix = level === 'http' ? '' : '-connections';
  return { deny: `${service}/${port}/deny${suffix}`, allow: `${service}/${port}/allow${suffix}` };
}

/** The filter of a service that we do not have, or have no more: it lets nobody in. */
export function closedFilter(name: string): AnyMessage | undefined {
  const [, part, connections] = FILTER_NAME.exec(name) ?? [];
  if (part === undefined) return undefined;
  const action = part === 'deny' ? 'DENY' : 'ALLOW';
  const level = connections === undefined ? 'http' : 'tcp';
  return encodeAccessFilter({ name, rules: { action, policies: {} } }, level);
}

function filtersOf(policy: AccessPolicy) {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the compiler's own objects, in the form of Envoy's messages
  const compiled = compilers.envoy(policy, { namespace: '', labels: {}, peerNames: {} })
    .objects as readonly CompiledPort[];
  return compiled.flatMap(({ port, filters }) => {
    const level = filters.some(({ name }) => name.includes('.http.')) ? 'http' : 'tcp';
    const { deny, allow } = filterNames(policy.service.id, port, level);
    const rulesOf = (action: Rbac['action']): Rbac =>
      filters.map(({ typed_config: config }) => config.rules).find((rules) => rules.action === action) ?? {
        action,
        policies: {},
      };
    return [
      [deny, encodeAccessFilter({ name: deny, rules: rulesOf('DENY') }, level)] as const,
      [allow, encodeAccessFilter({ name: allow, rules: rulesOf('ALLOW') }, level)] as const,
    ];
  });
}
