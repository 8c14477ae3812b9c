import {
  checkPorts,
  type EndpointAddress,
  type OwnPort,
  type OwnService,
  parseServiceId,
  type Protocol,
  PROTOCOLS,
} from '../../services/index.ts';
import { parseSpiffeId, type SpiffeId, type TrustDomain, trustDomainOf } from '../../spiffe/index.ts';
import { type Fields, fieldsOf, listOf, textOf } from '../contract/fields.ts';

/** A resource of Kuma, from REST or Kubernetes. */
export interface MeshResource {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly fields: Fields;
}

export interface KumaServiceFacts {
  readonly meshServices: readonly MeshResource[];
  /** On Universal, where a MeshService has no address of its own. */
  readonly dataplanes: readonly MeshResource[];
  readonly meshTlses: readonly MeshResource[];
  readonly trustDomain: TrustDomain;
}

const NAMESPACE = 'k8s.kuma.io/namespace';
const DISPLAY_NAME = 'kuma.io/display-name';

/**
 * The MeshServices of a mesh that are its own: identities by their status in the spec, addresses from
 * Kubernetes Services or from Dataplanes. One with a name or ports that are not those of a service is
 * left out. Pure.
 */
export function ownServicesOf(facts: KumaServiceFacts): readonly OwnService[] {
  const isPermissive = facts.meshTlses.some(({ fields }) =>
    JSON.stringify(fields['spec'] ?? '').includes('"mode":"Permissive"'),
  );
  return facts.meshServices.flatMap((service) => {
    try {
      return [ownServiceOf(service, facts, isPermissive)];
    } catch {
      return [];
    }
  });
}

function ownServiceOf(
  { name, labels, fields }: MeshResource,
  { dataplanes, trustDomain }: KumaServiceFacts,
  isPermissive: boolean,
): OwnService {
  const spec = fieldsOf(fields['spec']);
  const namespace = labels[NAMESPACE];
  const shown = labels[DISPLAY_NAME] ?? name;
  const selector = textsOf(fieldsOf(fieldsOf(spec['selector'])['dataplaneLabels'])['matchLabels']);
  const selected = dataplanes
    .filter((each) => Object.entries(selector).every(([key, value]) => each.labels[key] === value))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const ids = listOf(spec['identities'])
    .filter(({ type }) => type === 'SpiffeID')
    .map(({ value }) => parseSpiffeId(textOf(value)));
  const ports = listOf(spec['ports']).map((port) => portOf(port, shown, namespace, selected));
  checkPorts(ports);
  const obstacle = obstacleOf(ids, ports, trustDomain, isPermissive);
  return {
    id: parseServiceId(namespace === undefined ? shown : `${shown}.${namespace}`),
    ports,
    spiffeIds: [...new Set(ids)].toSorted(),
    ...(namespace !== undefined && { namespace }),
    labels: selector,
    origin: 'mesh',
    ...(obstacle && { obstacle }),
  };
}

function portOf(
  { name, port, targetPort, appProtocol }: Fields,
  service: string,
  namespace: string | undefined,
  dataplanes: readonly MeshResource[],
): OwnPort {
  const protocol: Protocol = PROTOCOLS.find((each) => each === textOf(appProtocol)) ?? 'tcp';
  const wanted = targetPort ?? port;
  const target =
    namespace === undefined
      ? inboundOf(dataplanes, wanted)
      : { host: `${service}.${namespace}.svc`, port: Number(port) };
  return {
    name: textOf(name) || protocol,
    port: typeof wanted === 'number' ? wanted : (target?.port ?? Number(port)),
    protocol,
    serverFirst: false,
    ...(target && { target }),
  };
}

/** The first inbound of a Dataplane with this port, by its number or name. */
function inboundOf(dataplanes: readonly MeshResource[], wanted: unknown): EndpointAddress | undefined {
  for (const { fields } of dataplanes) {
    const { address, inbound } = fieldsOf(fields['networking']);
    const found = listOf(inbound).find(({ port, name }) => port === wanted || name === wanted);
    if (found) return { host: textOf(found['address']) || textOf(address), port: Number(found['port']) };
  }
  return undefined;
}

function obstacleOf(
  ids: readonly SpiffeId[],
  ports: readonly OwnPort[],
  trustDomain: TrustDomain,
  isPermissive: boolean,
): OwnService['obstacle'] {
  if (ids.length === 0)
    return {
      code: 'no-spiffe-id',
      message: 'no MeshIdentity gives its Dataplanes a SPIFFE ID, or none of them runs',
    };
  const foreign = ids.find((id) => trustDomainOf(id) !== trustDomain);
  if (foreign !== undefined)
    return {
      code: 'foreign-identity',
      message: `it has the identity ${foreign}, which is not one of ${trustDomain}`,
    };
  if (isPermissive)
    return {
      code: 'mtls-permissive',
      message: 'a MeshTLS of the mesh has the mode Permissive, so plain text may come in: set it to Strict',
    };
  if (ports.every(({ target }) => target === undefined))
    return { code: 'no-instances', message: 'no Dataplane of it runs' };
  return undefined;
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(fieldsOf(value)).map(([key, each]) => [key, textOf(each)]));
}
