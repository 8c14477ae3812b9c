import { createHash } from 'node:crypto';
import type { ImportedEndpoint, ImportedPort, ImportedService, ServiceId } from '../../services/index.ts';
import { type CheckServiceNode, type ExportedService, exportedServiceMessage } from '../../grpc/index.ts';

/** One port of an import as it is announced to Consul, where every service has one port. */
export interface AnnouncedService {
  /** Consul's name of the service, a DNS label. */
  readonly name: string;
  readonly id: ServiceId;
  readonly port: string;
  /** The bytes of `ExportedService`. */
  readonly content: Buffer;
  /** Whether a gateway of a lower priority was left out, because Consul has no priorities. */
  readonly leavesOut: boolean;
}

/** An import that has no name in Consul. */
export interface RefusedImport {
  readonly id: ServiceId;
  readonly code: 'import-name-taken';
  readonly message: string;
}

/** Every service of one peer, as Consul gets to know them. */
export interface Announcement {
  readonly services: readonly AnnouncedService[];
  readonly refused: readonly RefusedImport[];
}

/** The importing cluster keeps the instances of a mesh service under this name. */
export const PROXY_SUFFIX = '-sidecar-proxy';
const MAX_NAME_CHARACTERS = 63 - PROXY_SUFFIX.length;

/** The name under which the instances of a service travel. */
export function proxyNameOf(name: string): string {
  return `${name}${PROXY_SUFFIX}`;
}

/**
 * Writes the imports from one peer as Consul's own services. `held` are the names that another call
 * gave, by the import that has them: a name stays where it is. Pure.
 */
export function announcementOf(
  imports: readonly ImportedService[],
  held: ReadonlyMap<string, ServiceId> = new Map(),
): Announcement {
  const services: AnnouncedService[] = [];
  const refused: RefusedImport[] = [];
  const taken = new Map<string, ServiceId>();
  for (const each of inOrder(imports, held)) {
    const named = each.ports.map((port) => ({ port, name: consulNameOf(each, port) }));
    const clash = named.find(({ name }) => taken.has(name));
    if (clash) {
      refused.push({
        id: each.id,
        code: 'import-name-taken',
        message: `Consul has no dots in the names of services, and "${clash.name}" is the import ${taken.get(clash.name) ?? ''} already`,
      });
      continue;
    }
    for (const { port, name } of named) {
      taken.set(name, each.id);
      services.push({
        name,
        id: each.id,
        port: port.name,
        content: exportedServiceMessage.encode(exportedServiceOf(each, port, name)),
        leavesOut: firstOf(port).length < port.endpoints.length,
      });
    }
  }
  return { services: services.toSorted((a, b) => (a.name < b.name ? -1 : 1)), refused };
}

/** Consul's name of a port of an import: the ID, with the name of the port where there are several. */
function consulNameOf({ id, ports }: ImportedService, port: ImportedPort): string {
  const whole = [id.replaceAll('.', '-'), ...(ports.length > 1 ? [port.name] : [])].join('-');
  if (whole.length <= MAX_NAME_CHARACTERS) return whole;
  const mark = createHash('sha256').update(whole).digest('hex').slice(0, 8);
  return `${whole.slice(0, MAX_NAME_CHARACTERS - 9).replace(/-+$/, '')}-${mark}`;
}

/** The holder of a name comes first, then the ID that needs no change to be the name. */
function inOrder(
  imports: readonly ImportedService[],
  held: ReadonlyMap<string, ServiceId>,
): readonly ImportedService[] {
  const rank = (each: ImportedService) => {
    if (each.ports.some((port) => held.get(consulNameOf(each, port)) === each.id)) return 0;
    return each.id.includes('.') ? 2 : 1;
  };
  return imports.toSorted((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1));
}

function firstOf({ endpoints }: ImportedPort): readonly ImportedEndpoint[] {
  const first = Math.min(...endpoints.map(({ priority }) => priority));
  return endpoints.filter(({ priority }) => priority === first);
}

/** Every instance has the same identity data, because Consul's proxies read that of one instance. */
function exportedServiceOf(each: ImportedService, port: ImportedPort, name: string): ExportedService {
  const peerMeta = { sni: [port.sni], spiffe_id: [...each.spiffeIds].toSorted(), protocol: port.protocol };
  const endpoints = firstOf(port).toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  return { nodes: endpoints.map((endpoint) => nodeOf(each, port.name, name, endpoint, peerMeta)) };
}

function nodeOf(
  { name: importedName, state, trustDomain }: ImportedService,
  port: string,
  name: string,
  endpoint: ImportedEndpoint,
  peerMeta: NonNullable<NonNullable<CheckServiceNode['service']['connect']>['peer_meta']>,
): CheckServiceNode {
  const node = nodeNameOf(endpoint.host);
  const proxy = proxyNameOf(name);
  const id = `${proxy}-${endpoint.port}`;
  const isServing = state === 'serving';
  return {
    node: { id: '', node, address: endpoint.host, datacenter: trustDomain, meta: {} },
    service: {
      kind: 'connect-proxy',
      id,
      service: proxy,
      address: endpoint.host,
      port: endpoint.port,
      meta: { 'federate-name': importedName, 'federate-port': port, 'federate-path': endpoint.path },
      weights: { passing: 1, warning: 1 },
      proxy: { destination_service_name: name, destination_service_id: name },
      connect: { peer_meta: peerMeta },
    },
    checks: [
      {
        node,
        check_id: `${id}:overall-check`,
        name: 'overall-check',
        // Consul's proxies keep open connections to a critical instance, and open none.
        status: isServing ? 'passing' : 'critical',
        output: isServing ? '' : 'it is withdrawn by its owner, or dropped here',
        service_id: id,
        service_name: proxy,
      },
    ],
  };
}

/** One name for one host: Consul keeps one address for each node. */
function nodeNameOf(host: string): string {
  const mark = createHash('sha256').update(host).digest('hex').slice(0, 8);
  const readable = host
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 40)
    .replaceAll(/^-+|-+$/g, '');
  return `federate-${readable}-${mark}`;
}

function keyOf({ host, port }: ImportedEndpoint): string {
  return `${host} ${port}`;
}
