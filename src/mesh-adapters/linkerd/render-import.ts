import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import type { ImportedPort, ImportedService } from '../../services/index.ts';
import type { ServiceFault } from '../contract/judge-imports.ts';
import type { OwnedObject } from '../kubernetes/owned-object.ts';
import { EXTERNAL_WORKLOAD, SERVICE } from './service-kinds.ts';

export type RenderedImport =
  | { readonly objects: readonly OwnedObject[]; readonly note: ServiceFault }
  | { readonly fault: ServiceFault };

const MAX_WORKLOADS = 256;
const MAX_NAME_CHARACTERS = 63;
/** By this label the Service of an import selects its ExternalWorkloads. */
const SELECTOR = 'federate.dev/import';

/**
 * An import for Linkerd: an ExternalWorkload for each identity, address and port, then the Service
 * that selects them. Linkerd checks exactly the identity that an ExternalWorkload names. Pure; codes
 * `namespaces-needed`, `endpoint-not-ip`, `import-too-large`.
 */
export function renderImport(service: ImportedService): RenderedImport {
  const { id, trustDomain, ports, spiffeIds, namespaces, state } = service;
  if (namespaces.includes('*'))
    return fault(
      'namespaces-needed',
      `a Service of Kubernetes belongs to one namespace: import ${id} of ${trustDomain} for the namespaces that call it`,
    );
  const addresses = ports.map((port) => ({ port, endpoints: firstWithIp(port) }));
  const without = addresses.find(({ endpoints }) => endpoints.length === 0);
  if (without)
    return fault(
      'endpoint-not-ip',
      `an ExternalWorkload has an IP address, and the gateways of port ${without.port.name} of ${id} have host names: ask ${trustDomain} for a gateway by its IP address`,
    );
  const name = serviceNameOf(service);
  const spots = addresses.flatMap(({ port, endpoints }) =>
    endpoints.flatMap((endpoint) => spiffeIds.map((identity) => ({ port, endpoint, identity }))),
  );
  if (spots.length * namespaces.length > MAX_WORKLOADS)
    return fault(
      'import-too-large',
      `${id} of ${trustDomain} needs ${spots.length * namespaces.length} ExternalWorkloads, one for each identity, address, port and namespace, and at most ${MAX_WORKLOADS} are written`,
    );
  const objects = [...new Set(namespaces)].toSorted().flatMap((namespace): OwnedObject[] => [
    ...spots.map(
      ({ port, endpoint, identity }): OwnedObject => ({
        kind: EXTERNAL_WORKLOAD,
        namespace,
        name: `${name.slice(0, MAX_NAME_CHARACTERS - 9)}-${markOf(identity, port.name, endpoint.host, String(endpoint.port))}`,
        labels: { [SELECTOR]: name },
        fields: {
          spec: {
            meshTLS: { identity, serverName: port.sni },
            workloadIPs: [{ ip: endpoint.host }],
            ports: [{ name: port.name, port: endpoint.port, protocol: 'TCP' }],
          },
          // Nothing else sets it, and Linkerd uses ready workloads only.
          status: { conditions: [{ type: 'Ready', status: 'True' }] },
        },
      }),
    ),
    serviceOf(service, namespace, name, state === 'draining'),
  ]);
  return { objects, note: noteOf(service, name) };
}

/** The name of the Service: the name of the import, with hyphens for its dots. */
function serviceNameOf({ name }: ImportedService): string {
  const label = name.replaceAll('.', '-');
  if (label.length <= MAX_NAME_CHARACTERS && /^[a-z]/.test(label)) return label;
  return `x-${label.slice(0, MAX_NAME_CHARACTERS - 11)}-${markOf(name)}`;
}

function serviceOf(
  { name: importedName, ports }: ImportedService,
  namespace: string,
  name: string,
  isDraining: boolean,
): OwnedObject {
  const opaque = ports.filter(({ protocol }) => protocol === 'tcp').map(({ port }) => String(port));
  return {
    kind: SERVICE,
    namespace,
    name,
    annotations: {
      'federate.dev/name': importedName,
      ...(opaque.length > 0 && { 'config.linkerd.io/opaque-ports': opaque.join(',') }),
    },
    fields: {
      spec: {
        // Without endpoints proxies open no new connection.
        selector: { [SELECTOR]: isDraining ? `${name.slice(0, MAX_NAME_CHARACTERS - 9)}-draining` : name },
        ports: ports.map((port) => ({
          name: port.name,
          port: port.port,
          targetPort: port.name,
          protocol: 'TCP',
        })),
      },
    },
  };
}

/** The endpoints of the first priority that has one with an IP address. */
function firstWithIp({ endpoints }: ImportedPort): ImportedPort['endpoints'] {
  const withIp = endpoints.filter(({ host }) => isIP(host) !== 0);
  const first = Math.min(...withIp.map(({ priority }) => priority));
  return withIp.filter(({ priority }) => priority === first);
}

function noteOf({ id, ports, spiffeIds, namespaces }: ImportedService, name: string): ServiceFault {
  const [namespace = ''] = namespaces;
  const left = ports.some((port) => firstWithIp(port).length < port.endpoints.length)
    ? '; Linkerd has no priorities and no host names here, so it has the IP addresses of one priority'
    : '';
  const several =
    spiffeIds.length > 1
      ? `; ${id} has ${spiffeIds.length} identities, and a connection fails where the gateway leads to an instance of another one`
      : '';
  return {
    code: 'service-name',
    message: `callers use the Service ${name} (${name}.${namespace}.svc.cluster.local)${left}${several}`,
  };
}

function markOf(...parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 8);
}

function fault(code: string, message: string): RenderedImport {
  return { fault: { code, message } };
}
