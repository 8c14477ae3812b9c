import type {
  CatalogueContent,
  EndpointAddress,
  ImportedEndpoint,
  ImportedService,
  OfferedService,
} from '../../services/index.ts';
import type { StoredImport } from '../../store/index.ts';

/** The part of a catalogue that an import needs: one service, and the gateways of its ports. */
export function offerOf(content: CatalogueContent, service: OfferedService): CatalogueContent {
  const used = new Set(service.ports.flatMap(({ gateways }) => gateways));
  return { gateways: content.gateways.filter(({ id }) => used.has(id)), services: [service] };
}

/** The import as our mesh is to know it. With an egress gateway every port leads there. */
export function importedServiceOf(
  { trustDomain, name, namespaces, state }: StoredImport,
  service: OfferedService,
  gateways: CatalogueContent['gateways'],
  egress: EndpointAddress | undefined,
): ImportedService {
  return {
    trustDomain,
    id: service.id,
    name,
    spiffeIds: service.spiffeIds,
    ports: service.ports.map(({ name: port, port: number, protocol, serverFirst, sni, gateways: used }) => ({
      name: port,
      port: number,
      protocol,
      serverFirst,
      sni,
      endpoints: egress
        ? [{ ...egress, priority: 0, path: 'gateway' as const }]
        : gatewayEndpoints(used, gateways),
    })),
    namespaces,
    state: state === 'draining' ? 'draining' : 'serving',
  };
}

/** The gateways of a port, the first to use first. */
export function gatewayEndpoints(
  used: readonly string[],
  gateways: CatalogueContent['gateways'],
): readonly ImportedEndpoint[] {
  return gateways
    .filter(({ id }) => used.includes(id))
    .toSorted((a, b) => a.priority - b.priority || (a.id < b.id ? -1 : 1))
    .map(({ host, port, priority }) => ({ host, port, priority, path: 'gateway' }));
}
