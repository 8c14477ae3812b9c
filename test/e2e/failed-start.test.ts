import { once } from 'node:events';
import { chmodSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { AgentHome, FederateProcess, presentCa } from '../../testkit/agent-process.ts';

/** One of each listener in the way of ours: a TCP port, and a Unix socket that answers. */
let folder: ReturnType<typeof tempDir>;
let port: number;
let socket: string;
const blockers: Server[] = [];
let home: AgentHome;
let web: AgentHome;

beforeAll(async () => {
  folder = tempDir();
  socket = folder.file('taken.sock');
  const tcp = createServer((connection) => connection.on('error', () => {}));
  await once(tcp.listen(0, '127.0.0.1'), 'listening');
  port = (tcp.address() as AddressInfo).port;
  const unix = createServer((connection) => connection.on('error', () => {}));
  await once(unix.listen(socket), 'listening');
  blockers.push(tcp, unix);
  const [own = 0, other = 0] = await freePorts(2);
  const ca = await presentCa('a.example');
  const of = async (name: string, profile: 'https_spiffe' | 'https_web', at: number) => {
    const made = new AgentHome({ folder: folder.file(name), trustDomain: 'a.example', port: at, profile });
    made.writeRoots(ca);
    await made.writeEndpointCertificate(ca);
    return made;
  };
  home = await of('spiffe', 'https_spiffe', own);
  web = await of('web', 'https_web', other);
  writeFileSync(folder.file('routes.yaml'), '{}\n');
});
afterAll(() => {
  for (const blocker of blockers) blocker.close();
  folder[Symbol.dispose]();
});

/** Writes a config and gives the words that run it. */
const words = (kind: string, config: object): string[] => {
  const file = folder.file(`${kind.replaceAll(' ', '-')}.yaml`);
  writeFileSync(file, stringify(config));
  return [...kind.split(' '), '--config', file];
};
const agent = (of: AgentHome, changes: Record<string, unknown>, endpoint: object = {}) => [
  'agent',
  '--config',
  of.writeConfig(of.file('changed.yaml'), changes, endpoint),
];
const simulated = { folder: 'state', control_socket: 'control.sock' };

describe('a process whose listener is taken', () => {
  it.each([
    ['the https_spiffe endpoint', 'port-in-use', () => agent(home, {}, { listen: `127.0.0.1:${port}` })],
    ['the https_web endpoint', 'port-in-use', () => agent(web, {}, { listen: `127.0.0.1:${port}` })],
    ['the admin socket', 'admin-socket-in-use', () => agent(web, { admin_socket: socket })],
    ['the metrics', 'port-in-use', () => agent(web, { metrics: `127.0.0.1:${port}` })],
    ['the workload socket', 'socket-in-use', () => agent(web, { workload_api: { socket } })],
    [
      'the socket of the federation gateway',
      'socket-in-use',
      () =>
        agent(web, {
          trust_domain: '11111111-1111-1111-1111-111111111111.consul',
          mesh: {
            kind: 'consul',
            address: 'http://127.0.0.1:1',
            federation_gateway: {
              sds_socket: socket,
              listen: '127.0.0.1:0',
              identities: [{ spiffe_id: 'spiffe://b.example/web', service: 'web' }],
              routes: [{ sni: 'info.federated', service: 'info', address: '127.0.0.1:21000' }],
            },
          },
          store: 'consul.db',
        }),
    ],
    [
      'the gateway',
      'port-in-use',
      () => words('gateway', { listen: `127.0.0.1:${port}`, routes_file: 'routes.yaml' }),
    ],
    [
      'the metrics of the gateway',
      'port-in-use',
      () =>
        words('gateway', {
          listen: '127.0.0.1:0',
          routes_file: 'routes.yaml',
          metrics: `127.0.0.1:${port}`,
        }),
    ],
    [
      'the sidecar',
      'port-in-use',
      () =>
        words('sidecar', {
          sds_socket: 'none.sock',
          inbound: { listen: `127.0.0.1:${port}`, forward_to: '127.0.0.1:1' },
        }),
    ],
    [
      'the simulated Istio',
      'port-in-use',
      () =>
        words('simulate istio', {
          ...simulated,
          trust_domain: 'istio.example',
          kubernetes_listen: `127.0.0.1:${port}`,
          kubeconfig: 'agent.kubeconfig',
        }),
    ],
    [
      'the simulated Consul',
      'port-in-use',
      () =>
        words('simulate consul', {
          ...simulated,
          folder: 'consul-state',
          cluster_id: '7f1c2a34-1b2c-4d3e-8f4a-5b6c7d8e9f01',
          http_listen: `127.0.0.1:${port}`,
          grpc_listen: '127.0.0.1:0',
        }),
    ],
    [
      'the weather application',
      'port-in-use',
      () => words('simulate weather', { role: 'info', listen: `127.0.0.1:${port}` }),
    ],
  ])('ends with code 1 because of %s, and says why to people and to programs', async (_what, code, command) => {
    const process = new FederateProcess(command());
    const { code: exit, signal, err } = await process.ended;
    expect([exit, signal]).toEqual([1, null]);
    expect(err).toContain(`[${code}]`);
    expect(process.log.find(({ msg }) => msg === 'process could not start')).toMatchObject({
      level: 'error',
      code,
    });
  });

  it('says a mistake in a config as one line for programs, with every mistake', async () => {
    const process = new FederateProcess(agent(web, { admin_socket: 7, unknown_key: 1 }));
    const { code } = await process.ended;
    expect(code).toBe(2);
    expect(process.log).toHaveLength(1);
    expect(process.log[0]).toMatchObject({
      msg: 'process could not start',
      process: 'agent',
      code: 'config-invalid',
      mistakes: [{ path: 'admin_socket' }, { path: 'unknown_key' }],
    });
  });
});

describe('SIGHUP', () => {
  it('takes the log level of the config file, names what needs a restart, and the agent goes on', async () => {
    const file = web.file('hup.yaml');
    const start = new FederateProcess(['agent', '--config', web.writeConfig(file, { log_level: 'error' })]);
    // Nothing is logged at this level; the admin socket says that it runs.
    await expect.poll(async () => (await web.ask('status')).code).toBe(0);
    web.writeConfig(file, { log_level: 'debug' }, { path: '/other' });
    start.kill('SIGHUP');
    await start.untilLogged('config read again');
    await start.untilLogged('the config has changed, and takes effect after a restart');
    expect(start.log.find(({ changed }) => changed !== undefined)).toMatchObject({ changed: ['endpoint'] });
    chmodSync(file, 0o600);
    writeFileSync(file, 'not: [a config');
    start.kill('SIGHUP');
    await start.untilLogged('config not usable, the old one stays');
    expect((await web.ask('status')).code).toBe(0);
    expect(await start.end('SIGTERM')).toMatchObject({ code: 0, signal: null });
  });
});
