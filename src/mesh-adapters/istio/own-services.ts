import { type OwnPort, type OwnService, parseServiceId, type ServiceId } from '../../services/index.ts';
import { parseSpiffeId, type SpiffeId, type TrustDomain } from '../../spiffe/index.ts';
import { type Fields, listOf, textOf } from '../contract/fields.ts';
import { defined } from '../../objects/index.ts';
import { type MeshObject, textsByKey } from './fields.ts';
import { isStrict } from './judge-strict-mtls.ts';
import { protocolOf } from './port-protocol.ts';
import { servicePodOf, type ServicePod } from './service-pods.ts';
import type { OwnServiceFacts } from './service-facts.ts';

/** The mesh that the services belong to. */
export interface IstioMesh {
  readonly trustDomain: TrustDomain;
  readonly systemNamespace: string;
  /** Where policies count for the whole mesh. */
  readonly rootNamespace: string;
}

type Obstacle = NonNullable<OwnService['obstacle']>;
const MAX_PORTS = 32;
const PORT_NAME = /^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * The Services of a cluster as services of the mesh: each with the identities of all its pods, and
 * with what stands in the way of an export. A Service with a name that is not a service ID is left
 * out. Pure.
 */
export function ownServicesOf(facts: OwnServiceFacts, mesh: IstioMesh): readonly OwnService[] {
  const pods = facts.pods.flatMap((pod) => servicePodOf(pod) ?? []);
  return facts.services.flatMap((service) => {
    const id = serviceIdOf(`${service.name}.${service.namespace}`);
    return id === undefined ? [] : [ownServiceOf(id, service, pods, facts, mesh)];
  });
}

function ownServiceOf(
  id: ServiceId,
  service: MeshObject,
  all: readonly ServicePod[],
  { peerAuthentications }: OwnServiceFacts,
  mesh: IstioMesh,
): OwnService {
  const { namespace, spec } = service;
  const selector = textsByKey(spec['selector']);
  const hasSelector = Object.keys(selector).length > 0 && textOf(spec['type']) !== 'ExternalName';
  const pods = hasSelector
    ? all.filter((pod) => pod.namespace === namespace && isSelected(pod, selector))
    : [];
  const { ports, unclear } = portsOf(service, pods);
  const open = ports.filter(({ port }) =>
    pods.some((pod) => !isStrict(peerAuthentications, pod, port, mesh.rootNamespace)),
  );
  const obstacle =
    obstacleOfPlace(service, mesh) ??
    (hasSelector ? undefined : NO_SELECTOR) ??
    obstacleOfPods(pods) ??
    obstacleOfPorts(ports, unclear) ??
    notStrict(open);
  return {
    id,
    ports,
    spiffeIds: idsOf(pods, mesh.trustDomain),
    namespace,
    labels: selector,
    origin: 'mesh',
    ...defined({ obstacle }),
  };
}

/** A service ID, or undefined where the text is not one. */
export function serviceIdOf(text: string): ServiceId | undefined {
  try {
    return parseServiceId(text);
  } catch {
    return undefined;
  }
}

/** The identity that Istio gives to a service account. */
export function istioIdOf(trustDomain: TrustDomain, namespace: string, account: string): SpiffeId {
  return parseSpiffeId(`spiffe://${trustDomain}/ns/${namespace}/sa/${account}`);
}

/** The obstacle of ports that take plain text; undefined where there are none. */
export function notStrict(open: readonly OwnPort[]): Obstacle | undefined {
  if (open.length === 0) return undefined;
  return {
    code: 'mtls-not-strict',
    message: `no PeerAuthentication makes mTLS STRICT for port ${open.map(({ name }) => name).join(', ')}: a caller with an ALPN other than Istio's would come in without an identity`,
  };
}

/** The obstacle of ports without a known protocol. */
export function obstacleOfPorts(ports: readonly OwnPort[], unclear: readonly string[]): Obstacle | undefined {
  if (ports.length > 0) return undefined;
  return {
    code: 'port-protocol-unknown',
    message:
      unclear.length === 0
        ? 'it has no TCP port'
        : `port ${unclear.join(', ')} declares no protocol: set appProtocol, or begin its name with http, http2, grpc or tcp`,
  };
}

function obstacleOfPlace({ namespace, name }: MeshObject, mesh: IstioMesh): Obstacle | undefined {
  const isSystem = namespace === mesh.systemNamespace || namespace.startsWith('kube-');
  if (!isSystem) return undefined;
  return {
    code: 'system-service',
    message: `${name} is in the namespace ${namespace}, which is the system's own`,
  };
}

const NO_SELECTOR: Obstacle = {
  code: 'no-selector',
  message: 'it selects no pods, so the identities behind it are not known',
};

function obstacleOfPods(pods: readonly ServicePod[]): Obstacle | undefined {
  if (pods.length === 0) return { code: 'no-instances', message: 'no pod of it runs' };
  if (pods.some(({ role }) => role === 'control-plane'))
    return { code: 'control-plane', message: 'it is the control plane of the mesh' };
  if (pods.some(({ role }) => role === 'federate'))
    return { code: 'federate-itself', message: 'it is a part of Federate' };
  if (pods.some(({ proxy }) => proxy === 'gateway'))
    return { code: 'is-gateway', message: 'it is a gateway: what it leads to would be exported with it' };
  if (pods.some(({ proxy }) => proxy === 'ambient'))
    return {
      code: 'ambient',
      message: 'its pods are in ambient mode, and ztunnel refuses callers of other trust domains',
    };
  if (pods.some(({ proxy }) => proxy === 'none'))
    return { code: 'not-in-mesh', message: 'a pod of it has no sidecar, so nothing checks its callers' };
  return undefined;
}

function idsOf(pods: readonly ServicePod[], trustDomain: TrustDomain): readonly SpiffeId[] {
  const ids = pods.map(({ namespace, serviceAccount }) => istioIdOf(trustDomain, namespace, serviceAccount));
  return [...new Set(ids)].toSorted();
}

function portsOf(
  { name, namespace, spec }: MeshObject,
  pods: readonly ServicePod[],
): { readonly ports: readonly OwnPort[]; readonly unclear: readonly string[] } {
  const clusterIp = textOf(spec['clusterIP']);
  const isHeadless = clusterIp === '' || clusterIp === 'None';
  const found = new Map<number, OwnPort>();
  const unclear: string[] = [];
  for (const port of listOf(spec['ports'])) {
    if ((textOf(port['protocol']) || 'TCP') !== 'TCP') continue;
    const number = Number(port['port']);
    const target = targetPortOf(port, pods);
    if (target === undefined) continue;
    const known = protocolOf(textOf(port['name']), textOf(port['appProtocol']), target);
    if (!known) {
      unclear.push(textOf(port['name']) || String(number));
      continue;
    }
    // Two ports of a Service can lead to one port of the workload. The first stands for both.
    if (found.has(target) || found.size === MAX_PORTS) continue;
    found.set(target, {
      name: portNameOf(textOf(port['name']), number, known.protocol, [...found.values()]),
      port: target,
      ...known,
      target: isHeadless
        ? { host: `${name}.${namespace}.svc`, port: target }
        : { host: clusterIp, port: number },
    });
  }
  return { ports: [...found.values()], unclear };
}

/** A name that is a DNS label and unique in the service. */
export function portNameOf(
  name: string,
  number: number,
  protocol: string,
  others: readonly OwnPort[],
): string {
  const candidates = [name || protocol, `port-${number}`];
  return (
    candidates.find((each) => PORT_NAME.test(each) && !others.some((other) => other.name === each)) ??
    `port-${number}`
  );
}

/** Undefined where pods give one name to different ports, or to none. */
function targetPortOf({ port, targetPort }: Fields, pods: readonly ServicePod[]): number | undefined {
  if (typeof targetPort !== 'string') return Number(targetPort ?? port);
  const numbers = new Set(pods.map(({ ports }) => ports.get(targetPort)));
  const [only] = numbers;
  return numbers.size === 1 ? only : undefined;
}

function isSelected({ labels }: ServicePod, selector: Readonly<Record<string, string>>): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}
