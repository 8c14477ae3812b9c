import { SimulatedConsul, SimulatedIstio } from '../demonstration/simulated-mesh/index.ts';
import { type LoadedConfig, type SimulatedConsulConfig, type SimulatedIstioConfig } from '../config/index.ts';
import { defined } from '../objects/index.ts';
import { partOf, Parts, type ProcessContext } from '../platform/index.ts';

/** Builds the Istio-flavoured control plane; its start rejects with the room's coded error. */
export async function buildSimulatedIstio(
  { config }: LoadedConfig<SimulatedIstioConfig>,
  context: ProcessContext,
): Promise<Parts> {
  const mesh = new SimulatedIstio({
    ...context,
    folder: config.folder,
    trustDomain: config.trust_domain,
    kubernetes: { ...config.kubernetes_listen, advertisedHost: config.kubernetes_host },
    kubeconfigFile: config.kubeconfig,
    ...defined({ adminKubeconfigFile: config.admin_kubeconfig }),
    trustDomainAliases: config.trust_domain_aliases,
    systemNamespace: config.system_namespace,
    multiroot: config.multiroot,
    svidTtlMs: config.svid_ttl,
    controlSocket: config.control_socket,
    workloads: config.workloads.map((each) => ({
      name: each.name,
      namespace: each.namespace,
      account: each.service_account,
      sdsSocket: each.sds_socket,
      ...defined({ labels: each.labels }),
      ...(each.service && {
        service: {
          address: each.service.address,
          ports: each.service.ports.map(({ target_port: targetPort, ...port }) => ({ ...port, targetPort })),
        },
      }),
    })),
    ...defined({ manifestsFile: config.manifests_file }),
  });
  return new Parts([partOf('mesh', mesh)], context);
}

/** Builds the Consul-flavoured control plane; its start rejects with the room's coded error. */
export async function buildSimulatedConsul(
  { config }: LoadedConfig<SimulatedConsulConfig>,
  context: ProcessContext,
): Promise<Parts> {
  const mesh = new SimulatedConsul({
    ...context,
    folder: config.folder,
    uuid: config.cluster_id,
    datacenter: config.datacenter,
    http: config.http_listen,
    peering: { ...config.grpc_listen, advertisedHost: config.grpc_host },
    ...defined({ aclTokenFile: config.token_file }),
    svidTtlMs: config.svid_ttl,
    controlSocket: config.control_socket,
    workloads: config.workloads.map((each) => ({
      name: each.name,
      namespace: each.namespace,
      service: each.service,
      sdsSocket: each.sds_socket,
      ...(each.proxy && {
        proxy: {
          address: each.proxy.address,
          localPort: each.proxy.local_port,
          ...defined({ protocol: each.proxy.protocol }),
        },
      }),
    })),
    ...defined({ intentionDefault: config.default_intention_policy }),
  });
  return new Parts([partOf('mesh', mesh)], context);
}
