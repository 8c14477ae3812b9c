import { defined } from '../../objects/index.ts';
import type { OwnPort, OwnService } from '../../services/index.ts';
import type { SpiffeId } from '../../spiffe/index.ts';
import { type Fields, fieldsOf, listOf, textOf, textsOf } from '../contract/fields.ts';
import { type MeshObject, textsByKey } from './fields.ts';
import { isStrict } from './judge-strict-mtls.ts';
import {
  type IstioMesh,
  istioIdOf,
  notStrict,
  obstacleOfPorts,
  portNameOf,
  serviceIdOf,
} from './own-services.ts';
import { protocolOf } from './port-protocol.ts';
import type { OwnServiceFacts } from './service-facts.ts';

/** One workload outside of pods: a WorkloadEntry, or an endpoint in a ServiceEntry. */
interface Workload {
  readonly address: string;
  readonly ports: Fields;
  readonly account: string;
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * Workloads of the mesh that do not run in pods, such as virtual machines: ServiceEntries with
 * location MESH_INTERNAL. Their identities are those of the service accounts of their
 * WorkloadEntries. One with a host that a Service has is left out, because Istio takes both for one.
 * Pure.
 */
export function ownServiceEntriesOf(
  { serviceEntries, workloadEntries, services, peerAuthentications }: OwnServiceFacts,
  mesh: IstioMesh,
): readonly OwnService[] {
  return serviceEntries.flatMap((entry) => {
    const { namespace, spec } = entry;
    const [host = ''] = textsOf(spec['hosts']);
    const id = serviceIdOf(host);
    const isOfService = services.some((each) => host.startsWith(`${each.name}.${each.namespace}.svc`));
    if (id === undefined || isOfService || textOf(spec['location']) !== 'MESH_INTERNAL') return [];
    const labels = textsByKey(fieldsOf(spec['workloadSelector'])['labels']);
    const workloads = workloadsOf(entry, labels, workloadEntries);
    const { ports, unclear } = portsOf(spec, workloads);
    const open = ports.filter(({ port }) =>
      workloads.some(
        (each) =>
          !isStrict(peerAuthentications, { namespace, labels: each.labels }, port, mesh.rootNamespace),
      ),
    );
    const obstacle = obstacleOf(workloads) ?? obstacleOfPorts(ports, unclear) ?? notStrict(open);
    const spiffeIds = [
      ...new Set(
        workloads.flatMap(({ account }): SpiffeId[] =>
          account === '' ? [] : [istioIdOf(mesh.trustDomain, namespace, account)],
        ),
      ),
    ].toSorted();
    return [{ id, ports, spiffeIds, namespace, labels, origin: 'mesh' as const, ...defined({ obstacle }) }];
  });
}

function obstacleOf(workloads: readonly Workload[]): OwnService['obstacle'] {
  if (workloads.length === 0) return { code: 'no-instances', message: 'no WorkloadEntry belongs to it' };
  if (workloads.some(({ account }) => account === ''))
    return {
      code: 'no-service-account',
      message: 'a workload of it names no serviceAccount, so its identity is not known',
    };
  return undefined;
}

function workloadsOf(
  { namespace, spec }: MeshObject,
  selector: Readonly<Record<string, string>>,
  entries: readonly MeshObject[],
): readonly Workload[] {
  const required = Object.entries(selector);
  const selected = entries
    .filter(
      (each) =>
        each.namespace === namespace &&
        required.length > 0 &&
        required.every(([key, value]) => textsByKey(each.spec['labels'])[key] === value),
    )
    .map((each) => each.spec);
  return [...listOf(spec['endpoints']), ...selected].map((each) => ({
    address: textOf(each['address']),
    ports: fieldsOf(each['ports']),
    account: accountOf(textOf(each['serviceAccount'])),
    labels: textsByKey(each['labels']),
  }));
}

/** A port has a target only where one workload serves it: our gateway needs one address. */
function portsOf(
  spec: Fields,
  workloads: readonly Workload[],
): { readonly ports: readonly OwnPort[]; readonly unclear: readonly string[] } {
  const ports: OwnPort[] = [];
  const unclear: string[] = [];
  const [workload, ...others] = workloads;
  for (const each of listOf(spec['ports'])) {
    const name = textOf(each['name']);
    const number = Number(each['number']);
    const port = Number(workload?.ports[name] ?? each['targetPort'] ?? number);
    const known = protocolOf(name, textOf(each['protocol']), port);
    if (!known) unclear.push(name);
    if (!known || ports.some((other) => other.port === port)) continue;
    const hasTarget = workload && workload.address !== '' && others.length === 0;
    ports.push({
      name: portNameOf(name, number, known.protocol, ports),
      port,
      ...known,
      ...(hasTarget && { target: { host: workload.address, port } }),
    });
  }
  return { ports, unclear };
}

/** The name of a service account; empty for a text that is not one. */
function accountOf(text: string): string {
  return /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/.test(text) ? text : '';
}
