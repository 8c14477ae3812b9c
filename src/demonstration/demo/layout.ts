import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { freePorts } from './free-ports.ts';

const CLUSTER_ID = '7c5d4a1e-2f39-4d2b-9b61-0c6f3a8d5e21';

/** The names of the demonstration. */
export const names = {
  istio: 'istio.example',
  consul: `${CLUSTER_ID}.consul`,
  frontendId: 'spiffe://istio.example/ns/weather/sa/frontend',
  backendId: 'spiffe://istio.example/ns/weather/sa/backend',
  infoId: `spiffe://${CLUSTER_ID}.consul/ns/default/dc/dc1/svc/info`,
  istioAgentId: 'spiffe://istio.example/ns/federate/sa/agent',
  consulAgentId: `spiffe://${CLUSTER_ID}.consul/ns/default/dc/dc1/svc/federate`,
  /** The name by which the owner's gateway routes to info, once it is exported. */
  infoServerName: `info.${CLUSTER_ID}.consul`,
  /** The name that callers of the Istio mesh use for info, once it is imported. */
  infoImport: 'info.consul.federated',
} as const;

/**
 * Where everything of one run of the demonstration is: one folder, ports of the loopback address.
 */
export interface Layout {
  readonly folder: string;
  readonly ports: Readonly<Record<PortName, number>>;
  /** A file of the Istio-flavoured mesh, of the Consul-flavoured one. */
  readonly istio: (name: string) => string;
  readonly consul: (name: string) => string;
}

const PORT_NAMES = [
  'kubernetes',
  'consulHttp',
  'consulGrpc',
  'istioEndpoint',
  'consulEndpoint',
  'istioGateway',
  'consulGateway',
  'frontend',
  'frontendOut',
  'backend',
  'backendIn',
  'backendOut',
  'info',
  'infoIn',
] as const;
type PortName = (typeof PORT_NAMES)[number];

export interface LayoutOptions {
  /**
   * How often the agents poll each other, such as `5m`. Default `1s`; real agents poll every few
   * minutes.
   */
  readonly refreshHint?: string;
  /**
   * Where sidecars and gateways know the way of a call from: `mesh`, the default, from exports, access
   * rules and imports; `static`, from their own config files.
   */
  readonly ways?: 'mesh' | 'static';
}

/** Makes the folders, chooses ports, and writes the config file of every process. */
export async function createLayout(
  folder: string,
  { refreshHint = '1s', ways = 'mesh' }: LayoutOptions = {},
): Promise<Layout> {
  const chosen = await freePorts(PORT_NAMES.length);
  const ports = Object.fromEntries(PORT_NAMES.map((name, index) => [name, chosen[index] ?? 0])) as Record<
    PortName,
    number
  >;
  const layout: Layout = {
    folder,
    ports,
    istio: (name) => join(folder, 'istio', name),
    consul: (name) => join(folder, 'consul', name),
  };
  for (const mesh of ['istio', 'consul']) mkdirSync(join(folder, mesh), { recursive: true, mode: 0o700 });
  writeMeshConfigs(layout, refreshHint);
  writeWorkloadConfigs(layout);
  if (ways === 'static') writeStaticWays(layout);
  return layout;
}

function write(file: string, config: unknown): void {
  writeFileSync(file, stringify(config));
}

const at = (port: number) => `127.0.0.1:${port}`;

function writeMeshConfigs({ ports, istio, consul }: Layout, refreshHint: string): void {
  write(istio('control.yaml'), {
    folder: 'state',
    control_socket: 'control.sock',
    trust_domain: names.istio,
    kubernetes_listen: at(ports.kubernetes),
    kubeconfig: 'kubeconfig',
    workloads: [
      {
        name: 'federate-agent',
        namespace: 'federate',
        service_account: 'agent',
        sds_socket: 'agent-sds.sock',
      },
      {
        name: 'frontend',
        namespace: 'weather',
        service_account: 'frontend',
        sds_socket: 'frontend-sds.sock',
      },
      {
        name: 'backend',
        namespace: 'weather',
        service_account: 'backend',
        sds_socket: 'backend-sds.sock',
        service: {
          address: '127.0.0.1',
          ports: [{ name: 'http', port: ports.backendIn, target_port: ports.backend, protocol: 'http' }],
        },
      },
    ],
    manifests_file: 'operator.yaml',
  });
  write(istio('operator.yaml'), backendPolicy);
  write(consul('control.yaml'), {
    folder: 'state',
    control_socket: 'control.sock',
    cluster_id: CLUSTER_ID,
    http_listen: at(ports.consulHttp),
    grpc_listen: at(ports.consulGrpc),
    token_file: 'consul-token',
    workloads: [
      { name: 'federate-agent', service: 'federate', sds_socket: 'agent-sds.sock' },
      {
        name: 'info',
        service: 'info',
        sds_socket: 'info-sds.sock',
        proxy: { address: at(ports.infoIn), local_port: ports.info, protocol: 'http' },
      },
    ],
    // No intention can name a caller of Istio: next to each proxy a policy engine decides instead.
    default_intention_policy: 'allow',
  });
  const agent = (port: number, mesh: object, services: object) => ({
    store: 'federate.db',
    admin_socket: 'admin.sock',
    endpoint: {
      profile: 'https_spiffe',
      listen: at(port),
      url: `https://${at(port)}/`,
      refresh_hint: refreshHint,
      svid: { sds_socket: 'agent-sds.sock' },
    },
    mesh,
    services: {
      ...services,
      routes_file: 'routes.yaml',
      drain: '1s',
      // The gateways of both meshes are on this machine.
      allowed_gateway_ranges: ['127.0.0.0/8'],
    },
    workload_api: { socket: 'workload.sock' },
    federation: { minimum_poll: '250ms' },
    // Every workload gets its new SVID at once, and a push to a proxy on this machine takes no
    // time.
    rotation: { settle: '500ms', leaf_lifetime: '1s' },
  });
  write(
    istio('agent.yaml'),
    agent(
      ports.istioEndpoint,
      { kind: 'istio', kubeconfig: 'kubeconfig' },
      { egress_gateway: at(ports.istioGateway) },
    ),
  );
  write(
    consul('agent.yaml'),
    agent(
      ports.consulEndpoint,
      {
        kind: 'consul',
        address: `http://${at(ports.consulHttp)}`,
        token_file: 'consul-token',
        access: 'external',
      },
      {
        gateways: [{ id: 'gateway', address: at(ports.consulGateway) }],
        policy_file: 'access.json',
      },
    ),
  );
  write(istio('gateway.yaml'), { listen: at(ports.istioGateway), routes_file: 'routes.yaml' });
  write(consul('gateway.yaml'), { listen: at(ports.consulGateway), routes_file: 'routes.yaml' });
}

/** What the operator of the Istio mesh has there: only the frontend calls the backend. */
const backendPolicy = {
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name: 'backend', namespace: 'weather' },
  spec: {
    selector: { matchLabels: { app: 'backend' } },
    action: 'ALLOW',
    rules: [{ from: [{ source: { principals: [names.frontendId.slice('spiffe://'.length)] } }] }],
  },
};

function writeWorkloadConfigs({ ports, istio, consul }: Layout): void {
  write(istio('frontend.yaml'), {
    role: 'frontend',
    listen: at(ports.frontend),
    backend_url: `http://${at(ports.frontendOut)}`,
  });
  write(istio('frontend-sidecar.yaml'), {
    sds_socket: 'frontend-sds.sock',
    outbound: [{ listen: at(ports.frontendOut), service: 'backend.weather.svc.cluster.local' }],
  });
  write(istio('backend.yaml'), {
    role: 'backend',
    listen: at(ports.backend),
    info_url: `http://${at(ports.backendOut)}`,
  });
  write(istio('backend-sidecar.yaml'), {
    sds_socket: 'backend-sds.sock',
    inbound: { listen: at(ports.backendIn), forward_to: at(ports.backend), allow: 'mesh' },
    outbound: [{ listen: at(ports.backendOut), service: names.infoImport }],
  });
  write(consul('info.yaml'), { role: 'info', listen: at(ports.info) });
  write(consul('info-sidecar.yaml'), {
    sds_socket: 'info-sds.sock',
    inbound: {
      listen: at(ports.infoIn),
      forward_to: at(ports.info),
      allow: 'mesh',
      policy: { file: 'access.json', service: 'info', port: 'http' },
    },
  });
}

/** Writes addresses, server names and identities into the configs of sidecars and gateways. */
function writeStaticWays({ ports, istio, consul }: Layout): void {
  write(istio('gateway.yaml'), { listen: at(ports.istioGateway), routes_file: 'static-routes.yaml' });
  write(istio('static-routes.yaml'), { [names.infoServerName]: at(ports.consulGateway) });
  write(consul('gateway.yaml'), { listen: at(ports.consulGateway), routes_file: 'static-routes.yaml' });
  write(consul('static-routes.yaml'), { [names.infoServerName]: at(ports.infoIn) });
  write(istio('frontend-sidecar.yaml'), {
    sds_socket: 'frontend-sds.sock',
    outbound: [
      {
        listen: at(ports.frontendOut),
        to: at(ports.backendIn),
        server_name: 'backend.weather.svc.cluster.local',
        expect: [names.backendId],
      },
    ],
  });
  write(istio('backend-sidecar.yaml'), {
    sds_socket: 'backend-sds.sock',
    inbound: { listen: at(ports.backendIn), forward_to: at(ports.backend), allow: [names.frontendId] },
    outbound: [
      {
        listen: at(ports.backendOut),
        to: at(ports.istioGateway),
        server_name: names.infoServerName,
        expect: [names.infoId],
      },
    ],
  });
  write(consul('info-sidecar.yaml'), {
    sds_socket: 'info-sds.sock',
    inbound: { listen: at(ports.infoIn), forward_to: at(ports.info), allow: [names.backendId] },
  });
}
