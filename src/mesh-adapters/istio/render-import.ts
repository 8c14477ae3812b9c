import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import type { ImportedEndpoint, ImportedPort, ImportedService, Protocol } from '../../services/index.ts';
import type { ServiceFault } from '../contract/judge-imports.ts';
import { ownedNameOf } from '../contract/owned-name.ts';
import type { OwnedObject } from '../kubernetes/owned-object.ts';
import { DESTINATION_RULE, SERVICE_ENTRY } from './service-kinds.ts';

export type RenderedImport =
  | { readonly objects: readonly OwnedObject[]; readonly note?: ServiceFault }
  | { readonly fault: ServiceFault };

/** The label of endpoints that are used while those before them fail. */
const PRIORITY_LABEL = 'federate.dev/before-';
const PROTOCOLS: Readonly<Record<Protocol, string>> = {
  http: 'HTTP',
  http2: 'HTTP2',
  grpc: 'GRPC',
  tcp: 'TCP',
};
/**
 * Only connections that fail count, so that errors of the application do not move its calls to
 * another gateway.
 */
const OUTLIER_DETECTION = {
  splitExternalLocalOriginErrors: true,
  consecutiveLocalOriginFailures: 3,
  consecutive5xxErrors: 0,
  consecutiveGatewayErrors: 0,
  interval: '5s',
  baseEjectionTime: '30s',
  maxEjectionPercent: 100,
};

/**
 * An import for Istio: first the DestinationRule, with mTLS, SNI and identities, then the
 * ServiceEntry that makes the name known. So the name is never there without the identities. Both
 * name the SPIFFE IDs, because Istio checks no name where a list is empty. Pure; code
 * `endpoints-differ`.
 */
export function renderImport(service: ImportedService, namespace: string): RenderedImport {
  const { name, spiffeIds, ports, state } = service;
  const endpoints = commonEndpoints(ports);
  if (endpoints.length === 0)
    return {
      fault: {
        code: 'endpoints-differ',
        message: `the ports of ${service.id} have no host in common, and a ServiceEntry has one list of hosts for all ports`,
      },
    };
  const exportTo = service.namespaces.includes('*') ? ['*'] : [...new Set(service.namespaces)].toSorted();
  const subjectAltNames = spiffeIds.toSorted();
  const levels = [...new Set(endpoints.map(({ priority }) => priority))].toSorted((a, b) => a - b);
  const isDraining = state === 'draining';
  const common = { namespace, name: ownedNameOf(name, 'federate-') };
  const left = ports
    .flatMap((port) => port.endpoints)
    .filter(({ host }) => !endpoints.some((each) => each.host === host));
  return {
    objects: [
      {
        ...common,
        kind: DESTINATION_RULE,
        fields: {
          spec: {
            host: name,
            exportTo,
            trafficPolicy: trafficPolicyOf(ports, subjectAltNames, levels.length),
          },
        },
      },
      {
        ...common,
        kind: SERVICE_ENTRY,
        fields: {
          spec: {
            hosts: [name],
            addresses: [virtualAddressOf(name)],
            exportTo,
            location: 'MESH_EXTERNAL',
            ports: ports.map((port) => ({
              number: port.port,
              name: port.name,
              protocol: PROTOCOLS[port.protocol],
            })),
            // Without endpoints open connections go on, and new requests get 503.
            resolution: isDraining || endpoints.every(({ host }) => isIP(host) !== 0) ? 'STATIC' : 'DNS',
            ...(!isDraining && { endpoints: endpoints.map((each) => endpointOf(each, levels)) }),
            subjectAltNames,
          },
        },
      },
    ],
    ...(left.length > 0 && {
      note: {
        code: 'endpoint-left-out',
        message: `${left[0]?.host} does not lead to every port of ${service.id}, so it is not used`,
      },
    }),
  };
}

/**
 * The address by which applications reach an import, from its name. Without one, a port of plain TCP
 * would take the traffic of every address at that port. Unroutable (240.0.0.0/4), and outside of
 * 240.0.0.0/8, from which Istio and Consul give addresses themselves.
 */
export function virtualAddressOf(name: string): string {
  const [first = 0, second = 0, third = 0, fourth = 0] = createHash('sha256').update(name).digest();
  return [241 + (first % 14), second, third, 1 + (fourth % 254)].join('.');
}

interface CommonEndpoint {
  readonly host: string;
  readonly priority: number;
  /** The port to connect to, by the name of the service's port. */
  readonly ports: Readonly<Record<string, number>>;
}

/** The hosts that lead to every port, each with its port numbers. */
function commonEndpoints(ports: readonly ImportedPort[]): readonly CommonEndpoint[] {
  const [first, ...others] = ports;
  const found: CommonEndpoint[] = [];
  for (const { host, priority } of first?.endpoints ?? []) {
    const nth = found.filter((each) => each.host === host && each.priority === priority).length;
    const same = (endpoints: readonly ImportedEndpoint[]) =>
      endpoints.filter((each) => each.host === host && each.priority === priority)[nth];
    const numbers = [first, ...others].map((port) => [port?.name ?? '', same(port?.endpoints ?? [])?.port]);
    if (numbers.every(([, number]) => number !== undefined))
      found.push({ host, priority, ports: Object.fromEntries(numbers) as Record<string, number> });
  }
  return found;
}

function endpointOf({ host, priority, ports }: CommonEndpoint, levels: readonly number[]): object {
  const labels = Object.fromEntries(
    levels
      .slice(levels.indexOf(priority) + 1)
      .map((_level, index) => [`${PRIORITY_LABEL}${index + 1}`, 'yes']),
  );
  return { address: host, ports, ...(Object.keys(labels).length > 0 && { labels }) };
}

function trafficPolicyOf(
  ports: readonly ImportedPort[],
  subjectAltNames: readonly string[],
  levels: number,
): object {
  const policyOf = ({ sni }: ImportedPort) => ({
    tls: { mode: 'ISTIO_MUTUAL', sni, subjectAltNames },
    ...(levels > 1 && { outlierDetection: OUTLIER_DETECTION, loadBalancer: failoverOf(levels) }),
  });
  const [first] = ports;
  return {
    ...(first && policyOf(first)),
    // A setting of a port replaces the whole, and each port has an SNI of its own.
    ...(ports.length > 1 && {
      portLevelSettings: ports.map((port) => ({ port: { number: port.port }, ...policyOf(port) })),
    }),
  };
}

/** An endpoint with the first n of these labels comes before those with fewer. */
function failoverOf(levels: number): object {
  const failoverPriority = Array.from(
    { length: levels - 1 },
    (_, index) => `${PRIORITY_LABEL}${index + 1}=yes`,
  );
  return { simple: 'LEAST_REQUEST', localityLbSetting: { enabled: true, failoverPriority } };
}
