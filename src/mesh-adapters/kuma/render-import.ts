import { createHash } from 'node:crypto';
import type { ImportedService, Protocol } from '../../services/index.ts';
import { pathOf } from '../../spiffe/index.ts';
import type { OwnedObject } from '../kubernetes/owned-object.ts';
import { DATAPLANE, MESH_IDENTITY, MESH_SERVICE } from './service-kinds.ts';

const IMPORT_LABEL = 'federate.dev/import';
const IDENTITY_LABEL = 'federate.dev/identity';
const NAME_LABEL = 'federate.dev/name';
const MAX_NAME_CHARACTERS = 63;
const PROTOCOLS: Readonly<Record<Protocol, string>> = {
  http: 'http',
  http2: 'http2',
  grpc: 'grpc',
  tcp: 'tcp',
};

/**
 * An import for Kuma on Universal: for each identity a MeshIdentity that issues nothing and gives
 * its Dataplanes that identity, a Dataplane for each gateway address and port, and the MeshService
 * that selects them. Kuma's proxies then require one of these identities under the roots of its trust
 * domain. Pure.
 */
export function renderImport(service: ImportedService, majorVersion: number): readonly OwnedObject[] {
  const { trustDomain, ports, spiffeIds, state } = service;
  const name = meshServiceNameOf(service);
  const marks = { [IMPORT_LABEL]: name };
  const identities = spiffeIds.toSorted().map((id) => ({ id, label: markOf(name, id) }));
  const spots = ports.flatMap((port) => {
    const first = Math.min(...port.endpoints.map(({ priority }) => priority));
    return port.endpoints
      .filter(({ priority }) => priority === first)
      .flatMap((endpoint) => identities.map(({ label }) => ({ port, endpoint, label })));
  });
  return [
    ...identities.map(
      ({ id, label }): OwnedObject => ({
        kind: MESH_IDENTITY,
        name: `federate-${label}`,
        labels: marks,
        fields: {
          spec: {
            selector: { dataplane: { matchLabels: { [IDENTITY_LABEL]: label } } },
            spiffeID: { trustDomain, path: pathOf(id) },
            // Nothing is issued: the workload has its certificate from its own mesh.
            provider: { type: 'Spire', spire: {} },
          },
        },
      }),
    ),
    ...spots.map(
      ({ port, endpoint, label }): OwnedObject => ({
        kind: DATAPLANE,
        name: `federate-${markOf(name, port.name, endpoint.host, String(endpoint.port), label)}`,
        labels: { ...marks, [IDENTITY_LABEL]: label },
        fields: {
          networking: {
            address: endpoint.host,
            inbound: [
              {
                name: port.name,
                port: endpoint.port,
                // Kuma 3 has no tags.
                ...(majorVersion >= 3
                  ? { protocol: PROTOCOLS[port.protocol] }
                  : { tags: { 'kuma.io/service': name, 'kuma.io/protocol': PROTOCOLS[port.protocol] } }),
                // An inbound that is not ready gets no new connection.
                state: state === 'serving' ? 'Ready' : 'NotReady',
              },
            ],
          },
        },
      }),
    ),
    {
      kind: MESH_SERVICE,
      name,
      labels: { ...marks, [NAME_LABEL]: service.name.slice(0, MAX_NAME_CHARACTERS) },
      fields: {
        spec: {
          selector: { dataplaneLabels: { matchLabels: marks } },
          ports: ports.map((port) => ({
            name: port.name,
            port: port.port,
            targetPort: port.name,
            appProtocol: PROTOCOLS[port.protocol],
          })),
        },
      },
    },
  ];
}

/** The name of the MeshService: the name of the import, with hyphens for its dots. */
export function meshServiceNameOf({ name }: ImportedService): string {
  const label = name.replaceAll('.', '-');
  if (label.length <= MAX_NAME_CHARACTERS && /^[a-z]/.test(label)) return label;
  return `x-${label.slice(0, MAX_NAME_CHARACTERS - 11)}-${markOf(name)}`;
}

/**
 * The SNI that proxies of Kuma 3 send for each port of a MeshService on Universal (MADR-101). Earlier
 * versions hash it.
 */
export function computedSni(
  service: ImportedService,
  mesh: string,
  zone: string | undefined,
): Readonly<Record<string, string>> {
  const name = meshServiceNameOf(service);
  const where = zone === undefined ? [mesh] : [mesh, zone];
  return Object.fromEntries(
    service.ports.map((port) => [port.name, ['sni', 'msvc', ...where, name, port.name].join('.')]),
  );
}

function markOf(...parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 16);
}
