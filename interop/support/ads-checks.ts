import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer as createTlsServer } from 'node:https';
import { createServer } from 'node:http';
import { isIP } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { probeTls } from '../../src/demonstration/demo/tls-probe.ts';
import { svidFromPem } from '../../src/mtls/index.ts';
import { callHttp, createMetrics, silentLog, systemClock } from '../../src/platform/index.ts';
import {
  type AccessRule,
  type ImportedService,
  parseCaller,
  parseServiceId,
} from '../../src/services/index.ts';
import { parseSpiffeId, parseTrustDomain, pemFromCertificates } from '../../src/spiffe/index.ts';
import { filterNames, serviceResources, WorkloadServer } from '../../src/workload-api/index.ts';
import { presentCa, presentTimes } from '../../testkit/agent-process.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import type { TestCa } from '../../testkit/test-ca.ts';
import { Child } from './child.ts';
import type { InteropCheck } from './program.ts';
import { check, until } from './until.ts';

const TYPES = 'type.googleapis.com/envoy.extensions';
const INFO = 'spiffe://b.example/ns/weather/sa/info';
const NAME = 'info.b.federated';
const LISTEN_HOST = '127.0.0.1';

/** A server of b.example that tells the SNI and the identity of its caller. */
async function serveInfo(b: TestCa, a: TestCa, path: string) {
  const leaf = await b.issueLeaf({ ...presentTimes(), path });
  const server = createTlsServer(
    {
      cert: leaf.certPem,
      key: leaf.keyPem,
      ca: pemFromCertificates([a.root]),
      requestCert: true,
      rejectUnauthorized: true,
    },
    (request, response) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a TLS server
      const socket = request.socket as TLSSocket & { readonly servername: string };
      response.end(`${socket.servername} ${socket.getPeerCertificate().subjectaltname}`);
    },
  ).listen(0, LISTEN_HOST);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function imported(ports: readonly number[], more: Partial<ImportedService> = {}): ImportedService {
  return {
    trustDomain: parseTrustDomain('b.example'),
    id: parseServiceId('info'),
    name: NAME,
    spiffeIds: [parseSpiffeId(INFO)],
    ports: [
      {
        name: 'http',
        port: 80,
        protocol: 'http',
        serverFirst: false,
        sni: 'info.b.example',
        endpoints: ports.map((port, priority) => ({ host: LISTEN_HOST, port, priority, path: 'gateway' })),
      },
    ],
    namespaces: ['*'],
    state: 'serving',
    ...more,
  };
}

/** An Envoy that has nothing but the agent's socket: its SVID, its trust, its clusters, its listener, its access filters. */
async function openWorld(binary: string) {
  const folder = tempDir();
  const [a, b] = await Promise.all([presentCa('a.example'), presentCa('b.example')]);
  const [outbound = 0, inbound = 0] = await freePorts(2);
  const leaf = await a.issueLeaf({ ...presentTimes(), path: '/workload' });
  const svid = svidFromPem(leaf.certPem, leaf.keyPem);
  const known = {
    imports: [] as readonly ImportedService[],
    rules: undefined as readonly AccessRule[] | undefined,
  };
  const ports = [{ name: 'http', port: 8080, protocol: 'http' as const, serverFirst: false }];
  const access = () =>
    known.rules ? [{ service: { id: parseServiceId('shop'), ports }, rules: known.rules }] : [];
  const server = new WorkloadServer({
    own: () => a.bundle(),
    foreign: () => [b.bundle()],
    svid: { current: () => svid, onChange: () => () => undefined },
    services: () =>
      serviceResources({ imports: known.imports, access: access() }, { host: LISTEN_HOST, port: outbound }),
    maxStreams: 100,
    clock: systemClock,
    log: silentLog,
    metrics: createMetrics({ processMetrics: false }),
  });
  const socket = folder.file('workload.sock');
  await server.start(socket, 0o600);
  const workload = createServer((_, response) => response.end('ok')).listen(0, LISTEN_HOST);
  await once(workload, 'listening');
  writeFileSync(
    folder.file('envoy.json'),
    JSON.stringify(bootstrap(socket, inbound, (workload.address() as AddressInfo).port)),
  );
  const words = ['-c', folder.file('envoy.json'), '--disable-hot-restart', '--concurrency', '1'];
  const envoy = new Child(binary, [...words, '--log-level', 'warning']);
  return {
    a,
    b,
    known,
    changed: () => server.servicesChanged(),
    /** What the workload gets when it calls a name. */
    call: async (name: string): Promise<{ readonly status: number; readonly text: string }> => {
      const request = { to: new URL(`http://${LISTEN_HOST}:${outbound}/`), headers: { host: name } };
      const { status, body } = await callHttp(request, { maxBytes: 65_536, timeoutMs: 10_000 }).catch(() => ({
        status: 0,
        body: Buffer.alloc(0),
      }));
      return { status, text: body.toString('utf8') };
    },
    /** The status that a caller with a leaf of `ca` gets from our workload. */
    callUs: async (ca: TestCa, path: string): Promise<string> => {
      const caller = await ca.issueLeaf({ ...presentTimes(), path });
      const identity = { certificateChainPem: caller.certPem, privateKeyPem: caller.keyPem };
      const seen = await probeTls({ port: inbound, serverName: 'shop', identity }).catch(() => undefined);
      return seen?.firstLine?.split(' ')[1] ?? 'refused';
    },
    [Symbol.asyncDispose]: async () => {
      await envoy[Symbol.asyncDispose]();
      await server.stop();
      workload.closeAllConnections();
      workload.close();
      folder[Symbol.dispose]();
    },
  };
}

/** The bootstrap of docs/meshes/envoy.md. */
function bootstrap(socket: string, inbound: number, workload: number): object {
  const sds = (name: string) => ({
    name,
    sds_config: {
      resource_api_version: 'V3',
      api_config_source: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'sds-grpc' } }],
      },
    },
  });
  const filter = (name: string) => ({
    name,
    config_discovery: {
      config_source: { resource_api_version: 'V3', ads: {} },
      type_urls: [`${TYPES}.filters.http.rbac.v3.RBAC`],
    },
  });
  const { deny, allow } = filterNames('shop', 'http', 'http');
  const address = (host: string, port: number) => ({ socket_address: { address: host, port_value: port } });
  return {
    node: { id: 'shop', cluster: 'federate' },
    dynamic_resources: {
      ads_config: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'sds-grpc' } }],
      },
      cds_config: { resource_api_version: 'V3', ads: {} },
      lds_config: { resource_api_version: 'V3', ads: {} },
    },
    static_resources: {
      listeners: [
        {
          name: 'inbound',
          address: address(LISTEN_HOST, inbound),
          filter_chains: [
            {
              transport_socket: {
                name: 'tls',
                typed_config: {
                  '@type': `${TYPES}.transport_sockets.tls.v3.DownstreamTlsContext`,
                  require_client_certificate: true,
                  common_tls_context: {
                    tls_certificate_sds_secret_configs: [sds('default')],
                    validation_context_sds_secret_config: sds('ALL'),
                  },
                },
              },
              filters: [
                {
                  name: 'http',
                  typed_config: {
                    '@type': `${TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
                    stat_prefix: 'inbound',
                    http_filters: [
                      filter(deny),
                      filter(allow),
                      { name: 'router', typed_config: { '@type': `${TYPES}.filters.http.router.v3.Router` } },
                    ],
                    route_config: {
                      virtual_hosts: [
                        {
                          name: 'w',
                          domains: ['*'],
                          routes: [{ match: { prefix: '/' }, route: { cluster: 'workload' } }],
                        },
                      ],
                    },
                  },
                },
              ],
            },
          ],
        },
      ],
      clusters: [
        {
          name: 'sds-grpc',
          type: 'STATIC',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': `${TYPES}.upstreams.http.v3.HttpProtocolOptions`,
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: {
            cluster_name: 'sds-grpc',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: socket } } } }] }],
          },
        },
        {
          name: 'workload',
          type: isIP(LISTEN_HOST) === 0 ? 'STRICT_DNS' : 'STATIC',
          load_assignment: {
            cluster_name: 'workload',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: address(LISTEN_HOST, workload) } }] }],
          },
        },
      ],
    },
  };
}

const allow = (id: string): AccessRule => ({ id: 'read', effect: 'allow', callers: [parseCaller(id)] });

/** What an Envoy without a mesh does with the services that the agent's socket tells it. */
export const adsChecks: readonly InteropCheck[] = [
  {
    name: 'services over ADS: an import is called by its name, with its SNI and only by its identity, and is gone after it',
    run: async (binary) => {
      await using world = await openWorld(binary);
      const { a, b, known } = world;
      await using info = await serveInfo(b, a, '/ns/weather/sa/info');
      await using other = await serveInfo(b, a, '/ns/weather/sa/other');
      await until('the listener is there', async () => (await world.call(NAME)).status === 404);
      known.imports = [imported([info.port])];
      world.changed();
      await until('the service answers', async () => (await world.call(NAME)).status === 200);
      const { text } = await world.call(`${NAME}:80`);
      check(
        text === 'info.b.example URI:spiffe://a.example/workload',
        `the owner sees SNI and caller: ${text}`,
      );
      check(
        (await world.call('other.b.federated')).status === 404,
        'a name that is not imported leads nowhere',
      );
      known.imports = [imported([other.port])];
      world.changed();
      await until(
        'another identity of the owner is refused',
        async () => (await world.call(NAME)).status === 503,
      );
      known.imports = [imported([info.port])];
      world.changed();
      await until('the right one answers again', async () => (await world.call(NAME)).status === 200);
      known.imports = [imported([info.port], { state: 'draining' })];
      world.changed();
      await until(
        'a service that drains takes no new request',
        async () => (await world.call(NAME)).status === 404,
      );
      known.imports = [];
      world.changed();
      check((await world.call(NAME)).status === 404, 'a withdrawn service is gone');
    },
  },
  {
    name: 'services over ADS: the next gateway takes over when the first is away',
    run: async (binary) => {
      await using world = await openWorld(binary);
      await using info = await serveInfo(world.b, world.a, '/ns/weather/sa/info');
      const [away = 0] = await freePorts(1);
      world.known.imports = [imported([away, info.port])];
      world.changed();
      await until('the second gateway answers', async () => (await world.call(NAME)).status === 200);
    },
  },
  {
    name: 'access over ADS: nobody without a rule, exactly the named caller with one, nobody when the service is gone',
    run: async (binary) => {
      await using world = await openWorld(binary);
      const { b, known } = world;
      await until('Envoy serves', async () => (await world.callUs(b, '/caller')) === '403');
      known.rules = [allow('spiffe://b.example/caller')];
      world.changed();
      await until('the named caller is let in', async () => (await world.callUs(b, '/caller')) === '200');
      check((await world.callUs(b, '/other')) === '403', 'another identity of the same trust domain is not');
      known.rules = [
        allow('spiffe://b.example/caller'),
        { id: 'not', effect: 'deny', callers: [parseCaller('b.example')] },
      ];
      world.changed();
      await until('a deny rule wins', async () => (await world.callUs(b, '/caller')) === '403');
      known.rules = [allow('spiffe://b.example/caller')];
      world.changed();
      await until('and ends', async () => (await world.callUs(b, '/caller')) === '200');
      known.rules = undefined;
      world.changed();
      await until(
        'a service that is gone lets nobody in',
        async () => (await world.callUs(b, '/caller')) === '403',
      );
    },
  },
];
