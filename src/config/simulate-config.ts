import { z } from 'zod';
import { duration, listenAddress, logLevel, path, trustDomainField } from './fields.ts';

const common = {
  folder: path().describe('Where the CA and the state are kept; keys have mode 0600.'),
  control_socket: path().describe('Unix socket for `federate simulate rotate`, mode 0600.'),
  svid_ttl: duration().prefault('1h').describe('Lifetime of the SVIDs of workloads; renewed at half of it.'),
  log_level: logLevel(),
};

/** The workloads of a simulated mesh. `identity` is what their identities are made of. */
function workloads<Identity extends z.ZodRawShape>(identity: Identity) {
  const workload = z.strictObject({
    name: z.string().min(1).describe('Name for people.'),
    ...identity,
    sds_socket: path().describe(
      'The Unix socket of this workload: SDS for its proxy, the SPIFFE Workload API for itself. Every process that may open it (mode 0600) is the workload.',
    ),
  });
  return z.array(workload).default([]).describe('Who gets an SVID, and on which socket.');
}

const protocols = ['http', 'http2', 'grpc', 'tcp'] as const;
const portNumber = () => z.int().min(1).max(65_535);

const meshPort = z.strictObject({
  name: z.string().min(1).describe('Name of the port.'),
  port: portNumber().describe('Port of the Service, at which the sidecar takes mTLS.'),
  target_port: portNumber().describe('Port at which the workload listens; access rules name it.'),
  protocol: z.enum(protocols).default('http').describe('What the workload speaks.'),
});

/** The config of `federate simulate istio`. */
export const simulatedIstioConfigSchema = z.strictObject({
  ...common,
  trust_domain: trustDomainField().describe('The trust domain of the mesh.'),
  trust_domain_aliases: z
    .array(trustDomainField())
    .default([])
    .describe('Other names of the trust domain, `trustDomainAliases` of the mesh config.'),
  kubernetes_listen: listenAddress().describe('Where the Kubernetes API is served, `host:port`.'),
  kubernetes_host: z
    .string()
    .default('127.0.0.1')
    .describe('The host name by which the kubeconfig and the certificate name the API.'),
  kubeconfig: path().describe('The kubeconfig that is written for the agent.'),
  admin_kubeconfig: path()
    .optional()
    .describe('A kubeconfig that may do everything, written for the operator; none without it.'),
  system_namespace: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'a namespace is a DNS label')
    .default('istio-system')
    .describe('Namespace of the mesh ConfigMap.'),
  multiroot: z
    .boolean()
    .default(true)
    .describe('`ISTIO_MULTIROOT_MESH` of istiod; when off, foreign roots are kept but have no effect.'),
  workloads: workloads({
    namespace: z.string().min(1).describe('Namespace of the identity.'),
    service_account: z.string().min(1).describe('Service account of the identity.'),
    labels: z
      .record(z.string().min(1), z.string())
      .optional()
      .describe('Labels of its pod. Default: `app` with its name.'),
    service: z
      .strictObject({
        address: z
          .string()
          .min(1)
          .describe('Where its sidecar takes mTLS: an IP address, or a host name that callers resolve.'),
        ports: z.array(meshPort).min(1).describe('The ports of the Service.'),
      })
      .optional()
      .describe('The Service `<name>.<namespace>.svc.cluster.local` in front of it. Default: none.'),
  }),
  manifests_file: path()
    .optional()
    .describe(
      'YAML with objects of the operator, such as AuthorizationPolicies; made at the start where missing.',
    ),
});

/** The config of `federate simulate consul`. */
export const simulatedConsulConfigSchema = z.strictObject({
  ...common,
  cluster_id: z.uuid().describe('The cluster ID; the trust domain is `<cluster ID>.consul`.'),
  datacenter: z
    .string()
    .regex(/^[a-z0-9-]+$/)
    .default('dc1')
    .describe('The datacenter in the identities.'),
  http_listen: listenAddress().describe('Where the HTTP API is served, `host:port`.'),
  grpc_listen: listenAddress().describe('Where peers connect by gRPC over TLS, `host:port`.'),
  grpc_host: z.string().default('127.0.0.1').describe('The host that peering tokens name.'),
  token_file: path()
    .optional()
    .describe('The ACL token that is written for the agent; without it ACLs are off.'),
  workloads: workloads({
    namespace: z.string().default('default').describe('Namespace of the identity.'),
    service: z.string().min(1).describe('Service of the identity.'),
    proxy: z
      .strictObject({
        address: listenAddress().describe('Where its sidecar takes mTLS, `host:port`.'),
        local_port: portNumber().describe('Port at which the workload listens.'),
        protocol: z
          .enum(protocols)
          .optional()
          .describe('Written to `service-defaults` where that is missing. Default: none, which means tcp.'),
      })
      .optional()
      .describe('Its sidecar, as the catalog shows it. Default: none.'),
  }),
  default_intention_policy: z
    .enum(['allow', 'deny'])
    .optional()
    .describe('What holds where no intention is about a caller. Default: deny with ACLs, else allow.'),
});

const listen = listenAddress().describe('Where it listens, `host:port`.');

/** The config of `federate simulate weather`. */
export const weatherConfigSchema = z.discriminatedUnion('role', [
  z.strictObject({
    role: z.literal('frontend').describe('The page.'),
    listen,
    backend_url: z
      .url({ protocol: /^http$/ })
      .describe("The backend, by way of the own sidecar's outbound listener."),
    log_level: common.log_level,
  }),
  z.strictObject({
    role: z.literal('backend').describe('The weather, from fixed sample data.'),
    listen,
    info_url: z
      .url({ protocol: /^http$/ })
      .describe("The info service, by way of the own sidecar's outbound listener."),
    log_level: common.log_level,
  }),
  z.strictObject({
    role: z.literal('info').describe('The remark.'),
    listen,
    log_level: common.log_level,
  }),
]);

export type SimulatedIstioConfig = z.output<typeof simulatedIstioConfigSchema>;
export type SimulatedConsulConfig = z.output<typeof simulatedConsulConfigSchema>;
export type WeatherConfig = z.output<typeof weatherConfigSchema>;
