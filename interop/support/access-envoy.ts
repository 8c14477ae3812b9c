import { Agent, type RequestOptions, request } from 'node:https';
import { writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { type AccessRequest, compilers } from '../../src/services/index.ts';
import { pathOf, pemFromCertificates, trustDomainOf } from '../../src/spiffe/index.ts';
import { presentCa, presentTimes } from '../../testkit/agent-process.ts';
import { IDENTITIES, PLACEMENT } from '../../testkit/access-policies.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import type { Case } from './access-decisions.ts';
import { Child } from './child.ts';

const EXTENSIONS = 'type.googleapis.com/envoy.extensions';

interface Credentials {
  readonly cert: string;
  readonly key: string;
}

/** Asks an Envoy that has the RBAC filters of each policy on a filter chain of its own, by SNI. */
export async function decideWithEnvoy(
  binary: string,
  cases: readonly Case[],
): Promise<readonly (readonly boolean[])[]> {
  using folder = tempDir();
  const { callers, roots } = await credentials();
  const server = await serverCredentials(folder, roots);
  const echo = createServer((socket) => void socket.on('error', () => {}).pipe(socket)).listen(
    0,
    '127.0.0.1',
  );
  await once(echo, 'listening');
  const [port = 0] = await freePorts(1);
  const file = folder.file('envoy.json');
  writeFileSync(file, JSON.stringify(bootstrap(cases, { port, echo, ...server })));
  await using envoy = new Child(binary, [
    '-c',
    file,
    '--disable-hot-restart',
    '--concurrency',
    '1',
    '--log-level',
    'error',
  ]);
  await envoy.until('it listens', () => accepts(port));
  try {
    const decisions: (readonly boolean[])[] = [];
    for (const [index, each] of cases.entries()) decisions.push(await decideCase(each, index, port, callers));
    return decisions;
  } finally {
    echo.close();
  }
}

async function credentials(): Promise<{
  readonly callers: ReadonlyMap<string, Credentials>;
  readonly roots: string;
}> {
  const callers = new Map<string, Credentials>();
  const roots: Uint8Array[] = [];
  for (const trustDomain of new Set(IDENTITIES.map(trustDomainOf))) {
    const ca = await presentCa(trustDomain);
    roots.push(ca.root);
    for (const id of IDENTITIES.filter((each) => trustDomainOf(each) === trustDomain)) {
      const { certPem, keyPem } = await ca.issueLeaf({ path: pathOf(id), ...presentTimes() });
      callers.set(id, { cert: certPem, key: keyPem });
    }
  }
  return { callers, roots: pemFromCertificates(roots) };
}

interface Files {
  readonly cert: string;
  readonly key: string;
  readonly roots: string;
}

async function serverCredentials(folder: { file(name: string): string }, roots: string): Promise<Files> {
  const leaf = await (await presentCa('server.example')).issueLeaf(presentTimes());
  const files = {
    cert: folder.file('server.crt'),
    key: folder.file('server.key'),
    roots: folder.file('roots.pem'),
  };
  writeFileSync(files.cert, leaf.certPem);
  writeFileSync(files.key, leaf.keyPem, { mode: 0o600 });
  writeFileSync(files.roots, roots);
  return files;
}

const nameOf = (index: number, port: string) => `p${index}-${port}.example`;

function bootstrap(
  cases: readonly Case[],
  { port, echo, cert, key, roots }: Files & { readonly port: number; readonly echo: Server },
): object {
  const transport_socket = {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `${EXTENSIONS}.transport_sockets.tls.v3.DownstreamTlsContext`,
      require_client_certificate: true,
      common_tls_context: {
        tls_certificates: [{ certificate_chain: { filename: cert }, private_key: { filename: key } }],
        validation_context: { trusted_ca: { filename: roots } },
      },
    },
  };
  const chains = cases.flatMap(({ policy }, index) =>
    compilers.envoy(policy, PLACEMENT).objects.map((object) => {
      const { port: name, filters } = object as {
        readonly port: string;
        readonly filters: readonly object[];
      };
      const isTcp = policy.service.ports.some((each) => each.name === name && each.protocol === 'tcp');
      return {
        filter_chain_match: { server_names: [nameOf(index, name)] },
        transport_socket,
        filters: isTcp ? [...filters, tcpProxy] : [httpManager(filters)],
      };
    }),
  );
  return {
    static_resources: {
      listeners: [
        {
          address: { socket_address: { address: '127.0.0.1', port_value: port } },
          listener_filters: [
            {
              name: 'tls_inspector',
              typed_config: { '@type': `${EXTENSIONS}.filters.listener.tls_inspector.v3.TlsInspector` },
            },
          ],
          filter_chains: chains,
        },
      ],
      clusters: [
        {
          name: 'echo',
          type: 'STATIC',
          load_assignment: {
            cluster_name: 'echo',
            endpoints: [
              {
                lb_endpoints: [
                  {
                    endpoint: {
                      address: {
                        socket_address: {
                          address: '127.0.0.1',
                          port_value: (echo.address() as AddressInfo).port,
                        },
                      },
                    },
                  },
                ],
              },
            ],
          },
        },
      ],
    },
  };
}

const tcpProxy = {
  name: 'tcp',
  typed_config: {
    '@type': `${EXTENSIONS}.filters.network.tcp_proxy.v3.TcpProxy`,
    stat_prefix: 'tcp',
    cluster: 'echo',
  },
};

/** Reads paths as they are on the wire, as our judge does. */
function httpManager(filters: readonly object[]): object {
  return {
    name: 'http',
    typed_config: {
      '@type': `${EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: 'http',
      normalize_path: false,
      merge_slashes: false,
      path_with_escaped_slashes_action: 'KEEP_UNCHANGED',
      http_filters: [
        ...filters,
        { name: 'router', typed_config: { '@type': `${EXTENSIONS}.filters.http.router.v3.Router` } },
      ],
      route_config: {
        virtual_hosts: [
          {
            name: 'all',
            domains: ['*'],
            routes: [{ match: { prefix: '' }, direct_response: { status: 200 } }],
          },
        ],
      },
    },
  };
}

async function decideCase(
  { requests }: Case,
  index: number,
  port: number,
  callers: ReadonlyMap<string, Credentials>,
): Promise<readonly boolean[]> {
  const agents = new Map<string, Agent>();
  try {
    const decisions: boolean[] = [];
    for (const each of requests) {
      const servername = nameOf(index, each.port);
      const options = {
        host: '127.0.0.1',
        port,
        servername,
        rejectUnauthorized: false,
        ...callers.get(each.caller),
      };
      if (each.path === undefined) {
        decisions.push(await answersTcp(options));
        continue;
      }
      const key = `${servername} ${each.caller}`;
      const agent = agents.get(key) ?? new Agent({ keepAlive: true, maxSockets: 1, maxCachedSessions: 0 });
      agents.set(key, agent);
      decisions.push(await answersHttp({ ...options, agent }, each));
    }
    return decisions;
  } finally {
    for (const agent of agents.values()) agent.destroy();
  }
}

function answersHttp(options: RequestOptions, { method, path, headers }: AccessRequest): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { ...options, method, path, headers: { host: 'service.example', ...headers } },
      (response) => {
        response.resume();
        const { statusCode } = response;
        response.on('end', () => {
          if (statusCode === 200 || statusCode === 403) resolve(statusCode === 200);
          else reject(new Error(`Envoy answered ${method} ${path} with ${statusCode}`));
        });
      },
    );
    asked.on('error', reject);
    asked.end();
  });
}

/** Whether the service behind the TCP proxy sends back what it is sent. */
function answersTcp(options: ConnectionOptions): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTls(options, () => socket.write('x'));
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('data', () => settle(true));
    socket.once('close', () => settle(false));
    socket.once('error', () => settle(false));
  });
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
