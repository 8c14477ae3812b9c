import type {
  CatalogueContent,
  EndpointAddress,
  ImportedEndpoint,
  ImportedService,
  OfferedService,
} from '../../services/index.ts';
import { type DirectTarget, directTargets } from './direct-paths.ts';
import type { StoredImport } from '../../store/index.ts';

/** The part of a catalogue that an import needs: one service, and the gateways of its ports. */
export function offerOf(content: CatalogueContent, service: OfferedService): CatalogueContent {
  const used = new Set(service.ports.flatMap(({ gateways }) => gateways));
  return { gateways: content.gateways.filter(({ id }) => used.has(id)), services: [service] };
}

/**
 * The import as our mesh is to know it. Places at the workload itself come first where `isProved`
 * says so; gateways stand behind them. With an egress gateway it takes the place of the peer's.
 */
export function importedServiceOf(
  { trustDomain, name, namespaces, state }: StoredImport,
  service: OfferedService,
  gateways: CatalogueContent['gateways'],
  egress: EndpointAddress | undefined,
  isProved: (target: DirectTarget) => boolean,
): ImportedService {
  const proved = directTargets(trustDomain, service).filter(isProved);
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
      endpoints: behind(
        proved.filter((target) => target.sni === sni),
        egress ? [{ ...egress, priority: 0, path: 'gateway' as const }] : gatewayEndpoints(used, gateways),
      ),
    })),
    namespaces,
    state: state === 'draining' ? 'draining' : 'serving',
  };
}

/** Direct places first, then gateways in their order. */
function behind(
  direct: readonly EndpointAddress[],
  gateways: readonly ImportedEndpoint[],
): readonly ImportedEndpoint[] {
  if (direct.length === 0) return gateways;
  return [
    ...direct.map(({ host, port }) => ({ host, port, priority: 0, path: 'direct' as const })),
    ...gateways.map((gateway) => ({ ...gateway, priority: gateway.priority + 1 })),
  ];
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
