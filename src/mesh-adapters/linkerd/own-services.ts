import {
  checkPorts,
  type OwnPort,
  type OwnService,
  parseServiceId,
  type Protocol,
} from '../../services/index.ts';
import { fieldsOf, listOf, textOf } from '../contract/fields.ts';
import type { KubernetesObject } from '../kubernetes/kubernetes-object.ts';

const MESHED = 'linkerd.io/control-plane-ns';
const PROTOCOLS: Readonly<Record<string, Protocol>> = {
  http: 'http',
  http2: 'http2',
  'kubernetes.io/h2c': 'http2',
  grpc: 'grpc',
};

/**
 * The Services of a cluster whose pods are in the mesh. None can be exported: Linkerd gives its
 * workloads DNS names, and a catalogue has SPIFFE IDs. Pure.
 */
export function ownServicesOf(
  services: readonly KubernetesObject[],
  pods: readonly KubernetesObject[],
): readonly OwnService[] {
  return services.flatMap((service) => {
    const { name, namespace = '' } = service.metadata;
    const spec = fieldsOf(service['spec']);
    const labels = textsOf(spec['selector']);
    if (Object.keys(labels).length === 0) return [];
    const selected = pods.filter(({ metadata }) => {
      const { namespace: where, labels: has = {} } = metadata;
      return where === namespace && Object.entries(labels).every(([key, value]) => has[key] === value);
    });
    if (!selected.some(({ metadata }) => metadata.labels?.[MESHED] !== undefined)) return [];
    const ports = portsOf(spec, `${name}.${namespace}.svc`);
    try {
      checkPorts(ports);
      return [
        {
          id: parseServiceId(`${name}.${namespace}`),
          ports,
          spiffeIds: [],
          namespace,
          labels,
          origin: 'mesh' as const,
          obstacle: {
            code: 'no-spiffe-id',
            message:
              'Linkerd gives its workloads DNS names and no SPIFFE IDs, and peers check SPIFFE IDs: put a gateway with a SPIFFE ID in front, and declare that as a service',
          },
        },
      ];
    } catch {
      // Its name or its ports are not those of a service.
      return [];
    }
  });
}

function portsOf(spec: ReturnType<typeof fieldsOf>, host: string): readonly OwnPort[] {
  return listOf(spec['ports'])
    .filter(({ protocol }) => (textOf(protocol) || 'TCP') === 'TCP')
    .map(({ name, port, appProtocol, targetPort }) => {
      const protocol = PROTOCOLS[textOf(appProtocol) || (textOf(name).split('-')[0] ?? '')] ?? 'tcp';
      return {
        name: textOf(name) || protocol,
        port: typeof targetPort === 'number' ? targetPort : Number(port),
        protocol,
        serverFirst: false,
        target: { host, port: Number(port) },
      };
    });
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(fieldsOf(value)).map(([key, each]) => [key, textOf(each)]));
}
