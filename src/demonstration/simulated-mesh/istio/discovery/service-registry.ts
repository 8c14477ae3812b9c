import { isMapping } from '../../../../objects/index.ts';
import { isSpiffeId, type SpiffeId, spiffeIdOf, type TrustDomain } from '../../../../spiffe/index.ts';
import type { DiscoveredService } from '../../../../workload-api/index.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import type { ObjectStore } from '../object-store.ts';
import type { IstioWorkload } from '../options.ts';
import { DESTINATION_RULES, SERVICE_ENTRIES } from '../resource-types.ts';
import type { DestinationRuleSpec } from '../schemas/destination-rule.ts';
import type { ServiceEntrySpec } from '../schemas/service-entry.ts';

/** The host of a workload's Service. */
function serviceHost({ name, namespace }: Pick<IstioWorkload, 'name' | 'namespace'>): string {
  return `${name}.${namespace}.svc.cluster.local`;
}

/** A spec as it was sent: without what the schema fills in. */
type StoredServiceEntry = Omit<ServiceEntrySpec, 'endpoints'> & Partial<Pick<ServiceEntrySpec, 'endpoints'>>;

/** A service that istiod's proxies could call, and the mesh's own could not. */
export interface SkippedService {
  readonly host: string;
  readonly port: number;
  readonly reason: string;
}

/**
 * What the proxies of a namespace may call, as istiod makes it of Services, ServiceEntries and
 * DestinationRules: only what is exported to the namespace. A Service keeps its host against a
 * ServiceEntry, and of two ServiceEntries the older one does. A service whose server no SAN names is
 * skipped, because the sidecar calls nobody whom it cannot recognise.
 */
export function servicesFor(
  namespace: string,
  mesh: {
    readonly store: ObjectStore;
    readonly workloads: readonly IstioWorkload[];
    readonly trustDomain: TrustDomain;
  },
): { readonly services: readonly DiscoveredService[]; readonly skipped: readonly SkippedService[] } {
  const { store, workloads, trustDomain } = mesh;
  const rules = visible(store.list(DESTINATION_RULES), namespace).map(
    ({ spec }) => spec as DestinationRuleSpec,
  );
  const services: DiscoveredService[] = workloads.flatMap((workload) => servicesOf(workload, trustDomain));
  const skipped: SkippedService[] = [];
  const taken = new Set(services.map(({ host }) => host));
  for (const { spec } of visible(store.list(SERVICE_ENTRIES), namespace).toSorted(byAge)) {
    const entry = spec as StoredServiceEntry;
    for (const host of entry.hosts) {
      if (taken.has(host)) continue;
      taken.add(host);
      for (const port of entry.ports) {
        const found = importedService({ entry, host, port, rule: rules.find((rule) => rule.host === host) });
        if (typeof found === 'string') skipped.push({ host, port: port.number, reason: found });
        else services.push(found);
      }
    }
  }
  return { services, skipped };
}

function servicesOf(workload: IstioWorkload, trustDomain: TrustDomain): DiscoveredService[] {
  const { service, namespace, account } = workload;
  const host = serviceHost(workload);
  return (service?.ports ?? []).map(({ port }) => ({
    host,
    port,
    sni: defaultSni(host, port),
    spiffeIds: [spiffeIdOf(trustDomain, `/ns/${namespace}/sa/${account}`)],
    endpoints: [{ host: service?.address ?? '', port, priority: 0 }],
  }));
}

function importedService(given: {
  readonly entry: StoredServiceEntry;
  readonly host: string;
  readonly port: ServiceEntrySpec['ports'][number];
  readonly rule: DestinationRuleSpec | undefined;
}): DiscoveredService | string {
  const { entry, host, port, rule } = given;
  if (host.startsWith('*')) return 'a wildcard host leads nowhere';
  // A setting of a port replaces the whole.
  const policy =
    rule?.trafficPolicy?.portLevelSettings?.find((each) => each.port.number === port.number) ??
    rule?.trafficPolicy;
  const tls = policy?.tls;
  if (!tls) return 'no DestinationRule asks for ISTIO_MUTUAL';
  // The rule's own list counts where it has one, even an empty one.
  const names = tls.subjectAltNames ?? entry.subjectAltNames ?? [];
  const spiffeIds = names.filter((name): name is SpiffeId => isSpiffeId(name));
  if (spiffeIds.length === 0) return 'no SAN says who may answer';
  return {
    host,
    port: port.number,
    sni: tls.sni ?? defaultSni(host, port.number),
    spiffeIds,
    endpoints: (entry.endpoints ?? []).map(({ address, ports, labels }) => ({
      host: address,
      port: ports?.[port.name] ?? port.targetPort ?? port.number,
      priority: priorityOf(labels, policy?.loadBalancer?.localityLbSetting?.failoverPriority),
    })),
  };
}

function defaultSni(host: string, port: number): string {
  return `outbound_.${port}_._.${host}`;
}

/** How many labels of the failover order the endpoint lacks, from the first that it lacks on. */
function priorityOf(
  labels: Readonly<Record<string, string>> | undefined,
  failover: readonly string[] = [],
): number {
  const missing = failover.findIndex((each) => {
    const [label = '', value] = each.split('=');
    return labels?.[label] !== value;
  });
  return missing === -1 ? 0 : failover.length - missing;
}

function visible(objects: readonly KubernetesObject[], namespace: string): readonly KubernetesObject[] {
  return objects.filter(({ metadata, spec }) => {
    const list = isMapping(spec) ? spec['exportTo'] : undefined;
    const scope: readonly unknown[] = Array.isArray(list) && list.length > 0 ? list : ['*'];
    return (
      scope.includes('*') ||
      scope.includes(namespace) ||
      (scope.includes('.') && metadata.namespace === namespace)
    );
  });
}

function byAge(a: KubernetesObject, b: KubernetesObject): number {
  const key = ({ metadata }: KubernetesObject) =>
    `${metadata.creationTimestamp} ${metadata.namespace} ${metadata.name}`;
  return key(a) < key(b) ? -1 : 1;
}
