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
  infoServerName: `info.default.dc1.internal.${CLUSTER_ID}.consul`,
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

/**
 * How often the agents of the demonstration poll each other; real agents poll every few minutes.
 */
const REFRESH_HINT = '1s';

/**
 * Makes the folders, chooses ports, and writes the config file of every process. `refreshHint` is a
 * duration such as `5m`.
 */
export async function createLayout(folder: string, refreshHint = REFRESH_HINT): Promise<Layout> {
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
      { name: 'backend', namespace: 'weather', service_account: 'backend', sds_socket: 'backend-sds.sock' },
    ],
  });
  write(consul('control.yaml'), {
    folder: 'state',
    control_socket: 'control.sock',
    cluster_id: CLUSTER_ID,
    http_listen: at(ports.consulHttp),
    grpc_listen: at(ports.consulGrpc),
    token_file: 'consul-token',
    workloads: [
      { name: 'federate-agent', service: 'federate', sds_socket: 'agent-sds.sock' },
      { name: 'info', service: 'info', sds_socket: 'info-sds.sock' },
    ],
  });
  const agent = (port: number, mesh: object) => ({
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
    workload_api: { socket: 'workload.sock' },
    federation: { minimum_poll: '250ms' },
    // Every workload gets its new SVID at once, and a push to a proxy on this machine takes no
    // time.
    rotation: { settle: '500ms', leaf_lifetime: '1s' },
  });
  write(istio('agent.yaml'), agent(ports.istioEndpoint, { kind: 'istio', kubeconfig: 'kubeconfig' }));
  write(
    consul('agent.yaml'),
    agent(ports.consulEndpoint, {
      kind: 'consul',
      address: `http://${at(ports.consulHttp)}`,
      token_file: 'consul-token',
    }),
  );
  write(istio('gateway.yaml'), { listen: at(ports.istioGateway), routes_file: 'routes.yaml' });
  write(istio('routes.yaml'), { [names.infoServerName]: at(ports.consulGateway) });
  write(consul('gateway.yaml'), { listen: at(ports.consulGateway), routes_file: 'routes.yaml' });
  write(consul('routes.yaml'), { [names.infoServerName]: at(ports.infoIn) });
}

function writeWorkloadConfigs({ ports, istio, consul }: Layout): void {
  write(istio('frontend.yaml'), {
    role: 'frontend',
    listen: at(ports.frontend),
    backend_url: `http://${at(ports.frontendOut)}`,
  });
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
  write(istio('backend.yaml'), {
    role: 'backend',
    listen: at(ports.backend),
    info_url: `http://${at(ports.backendOut)}`,
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
  write(consul('info.yaml'), { role: 'info', listen: at(ports.info) });
  write(consul('info-sidecar.yaml'), {
    sds_socket: 'info-sds.sock',
    inbound: { listen: at(ports.infoIn), forward_to: at(ports.info), allow: [names.backendId] },
  });
}
