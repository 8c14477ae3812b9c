import { z } from 'zod';
import { defined } from '../../objects/index.ts';
import {
  type EndpointAddress,
  type OwnService,
  type Protocol,
  PROTOCOLS,
  type ServiceId,
} from '../../services/index.ts';
import { parseSpiffeId, type SpiffeId, type TrustDomain } from '../../spiffe/index.ts';
import { boundedList, readAnswer } from '../contract/answer.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import { readConfigEntry } from './config-entries.ts';
import type { ConsulClient } from './consul-client.ts';
import { DEFAULT_NAMESPACE, readExports } from './exported-services.ts';
import { listPeerings } from './peerings.ts';
import { fetchOwnTrust } from './read-own-trust.ts';
import { serviceIdOf } from './service-id.ts';
import { defaultOf, readServiceDefaults, type ServiceDefaults } from './service-defaults.ts';

/** More services than one cluster should have; each costs a request. */
const MAX_SERVICES = 2000;
const AT_ONCE = 8;
const DEFAULT_PARTITION = 'default';

const text = z.string().catch('');
const NAMES = z.record(z.string(), z.unknown());
const INSTANCE = z.object({
  Node: z.object({ Address: text, Datacenter: text }),
  Service: z.object({
    Kind: text,
    ID: text,
    Address: text,
    Port: z.number(),
    Namespace: text,
    Partition: text,
    Connect: z.object({ Native: z.boolean().catch(false) }).catch({ Native: false }),
    Proxy: z.object({ LocalServicePort: z.number().catch(0) }).catch({ LocalServicePort: 0 }),
  }),
  Checks: z.array(z.object({ Status: text })).catch([]),
});
type Instance = z.output<typeof INSTANCE>;

/**
 * The services of the mesh: those with a sidecar, or that speak mTLS themselves. Throws
 * `MeshAdapterError`.
 */
export async function readServices(
  client: ConsulClient,
  peerNamePrefix: string,
  signal: AbortSignal,
): Promise<readonly OwnService[]> {
  const path = '/v1/catalog/services';
  const [own, peerings, exports, defaults, list] = await Promise.all([
    fetchOwnTrust(client, signal),
    listPeerings(client, peerNamePrefix, signal),
    readConfigEntry(client, 'exported-services', DEFAULT_PARTITION, signal),
    readServiceDefaults(client, signal),
    client.send('GET', path, { signal }),
  ]);
  const names = Object.keys(readAnswer(NAMES, list.value, path)).toSorted();
  if (names.length > MAX_SERVICES)
    throw new MeshAdapterError(
      'mesh-answer-malformed',
      `${path} lists ${names.length} services, and at most ${MAX_SERVICES} can be read`,
    );
  const trustDomains = new Map(
    peerings.flatMap(({ name, ownedFor }) => (ownedFor ? [[name, ownedFor]] : [])),
  );
  const { pairs } = readExports(exports?.fields);
  const services: OwnService[] = [];
  const taken = new Set<ServiceId>();
  for (const [name, instances] of await instancesOf(client, names, signal)) {
    const exportedTo = pairs
      .filter(({ service, isOurs }) => !isOurs && (service === name || service === '*'))
      .flatMap(({ peer }) => trustDomains.get(peer) ?? []);
    const service = serviceOf(name, instances, {
      trustDomain: own.trustDomain,
      defaults,
      exportedTo: [...new Set(exportedTo)].toSorted(),
    });
    if (!service || taken.has(service.id)) continue;
    taken.add(service.id);
    services.push(service);
  }
  return services;
}

/** The instances of each service that take mTLS, a few services at a time. */
async function instancesOf(
  client: ConsulClient,
  names: readonly string[],
  signal: AbortSignal,
): Promise<readonly (readonly [name: string, instances: readonly Instance[]])[]> {
  const found: (readonly [string, readonly Instance[]])[] = [];
  for (let from = 0; from < names.length; from += AT_ONCE) {
    const some = names.slice(from, from + AT_ONCE);
    const read = some.map(async (name) => {
      const path = `/v1/health/connect/${encodeURIComponent(name)}`;
      const { value } = await client.send('GET', path, { signal });
      const all = readAnswer(boundedList(INSTANCE), value ?? [], path);
      // A terminating gateway that answers for the service has another identity.
      return [
        name,
        all.filter(({ Service: { Kind, Connect } }) => Kind === 'connect-proxy' || Connect.Native),
      ] as const;
    });
    found.push(...(await Promise.all(read)));
  }
  return found.filter(([, instances]) => instances.length > 0);
}

function serviceOf(
  name: string,
  instances: readonly Instance[],
  mesh: {
    readonly trustDomain: TrustDomain;
    readonly defaults: ServiceDefaults;
    readonly exportedTo: readonly TrustDomain[];
  },
): OwnService | undefined {
  const { id, isName } = idOf(name);
  if (id === undefined) return undefined;
  const chosen = chosenOf(instances);
  const protocol = protocolOf(defaultOf(mesh.defaults.protocols, name));
  const { Namespace: namespace } = chosen.Service;
  const obstacle = obstacleOf(name, isName, defaultOf(mesh.defaults.mutualTls, name));
  return {
    id,
    ports: [
      {
        name: protocol,
        port: chosen.Service.Proxy.LocalServicePort || chosen.Service.Port,
        protocol,
        serverFirst: false,
        target: addressOf(chosen),
      },
    ],
    spiffeIds: [...new Set(instances.map((each) => spiffeIdOf(name, each, mesh.trustDomain)))].toSorted(),
    ...(namespace !== '' && namespace !== DEFAULT_NAMESPACE && { namespace }),
    labels: {},
    origin: 'mesh',
    ...(mesh.exportedTo.length > 0 && { exportedTo: mesh.exportedTo }),
    ...defined({ obstacle }),
  };
}

/** The name of the service, or one like it where the name is not a DNS label. */
function idOf(name: string): { readonly id: ServiceId | undefined; readonly isName: boolean } {
  const like = name.toLowerCase().replaceAll(/[^a-z0-9.-]/g, '-');
  const found = serviceIdOf(name);
  if (found !== undefined) return { id: found, isName: true };
  return { id: serviceIdOf(like) ?? serviceIdOf(`x-${like}`.replace(/-+$/, '')), isName: false };
}

function obstacleOf(name: string, isName: boolean, mutualTls: string | undefined): OwnService['obstacle'] {
  if (!isName)
    return {
      code: 'service-name-not-dns',
      message: `Consul's service ${JSON.stringify(name.slice(0, 120))} has a name that is not DNS labels in lower case: register it under another name`,
    };
  if (mutualTls === 'permissive')
    return {
      code: 'mtls-permissive',
      message: `the sidecars of ${name} take plain text too (MutualTLSMode "permissive" in service-defaults or proxy-defaults): set it to "strict"`,
    };
  return undefined;
}

/** A healthy instance if there is one: our gateway forwards to one address. */
function chosenOf(instances: readonly Instance[]): Instance {
  const inOrder = instances.toSorted((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1));
  const healthy = inOrder.find(({ Checks }) => Checks.every(({ Status }) => Status === 'passing'));
  const [first] = inOrder;
  const chosen = healthy ?? first;
  if (!chosen) throw new TypeError('unreachable: only services with instances are read');
  return chosen;
}

function orderOf({ Node, Service }: Instance): string {
  return [Service.Address || Node.Address, Service.Port, Service.ID].join(' ');
}

function addressOf({ Node, Service }: Instance): EndpointAddress {
  return { host: Service.Address || Node.Address, port: Service.Port };
}

/** Consul's protocols next to ours, such as `mysql`, are TCP to its proxies. */
function protocolOf(protocol: string | undefined): Protocol {
  return PROTOCOLS.find((each) => each === protocol) ?? 'tcp';
}

/** The identity that Consul gives each instance of a service in a datacenter. */
function spiffeIdOf(name: string, { Node, Service }: Instance, trustDomain: TrustDomain): SpiffeId {
  const partition =
    Service.Partition === '' || Service.Partition === DEFAULT_PARTITION ? '' : `/ap/${Service.Partition}`;
  const namespace = Service.Namespace || DEFAULT_NAMESPACE;
  return parseSpiffeId(
    `spiffe://${trustDomain}${partition}/ns/${namespace}/dc/${Node.Datacenter}/svc/${name}`,
  );
}
