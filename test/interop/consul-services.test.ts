import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { get as httpGet } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { createConsulAdapter, type MeshAdapter, type MeshServices } from '../../src/mesh-adapters/index.ts';
import { silentLog, systemClock, systemRandom } from '../../src/platform/index.ts';
import { type ImportedService, parseCaller, parseServiceId } from '../../src/services/index.ts';
import {
  parseSpiffeId,
  parseTrustDomain,
  pemFromCertificates,
  type TrustDomain,
} from '../../src/spiffe/index.ts';
import { PATIENCE_MS } from '../../testkit/patience.ts';
import { createTestCa, type TestCa } from '../../testkit/test-ca.ts';
import { type ConsulServer, startConsul } from './consul-server.ts';
import { eventually, type RunningProgram, startProgram, validNow } from './program.ts';

/** Paths of the real programs; without both nothing here runs. */
const CONSUL = process.env['FEDERATE_CONSUL'];
const ENVOY = process.env['FEDERATE_ENVOY'];
const { signal } = new AbortController();
const WEST = parseTrustDomain('west.example');
const NORTH = parseTrustDomain('north.example');
const PEER = 'federate-west-example-ec326d4a';
const SHOP = 'spiffe://west.example/ns/shop/sa/web';
const API = 'spiffe://west.example/ns/default/dc/dc9/svc/api';
const SNI = 'web.shop.west.example';
/** What docs/meshes/consul.md asks for. */
const RIGHTS = `
peering = "write"
mesh = "write"
agent_prefix "" { policy = "read" }
node_prefix "" { policy = "read" }
service_prefix "" { policy = "read" intentions = "write" }`;

interface Call {
  readonly sni: string;
  readonly caller: string;
}

/** A workload of the foreign mesh, as its proxy takes calls. */
async function startForeign(west: TestCa, path: string, roots: string) {
  const { certPem, keyPem } = await west.issueLeaf({ path, ...validNow() });
  const calls: Call[] = [];
  const server = createServer(
    { cert: certPem, key: keyPem, ca: roots, requestCert: true, rejectUnauthorized: true },
    (incoming, response) => {
      const socket = incoming.socket as TLSSocket & { readonly servername?: string };
      calls.push({
        sni: String(socket.servername),
        caller: String(socket.getPeerCertificate().subjectaltname),
      });
      response.end(`remarks of ${path}`);
    },
  );
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return { server, calls, port: (server.address() as AddressInfo).port };
}

/** Calls through the upstream listener of Consul's own sidecar. */
function callThrough(port: number): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = httpGet({ host: '127.0.0.1', port, agent: false, timeout: PATIENCE_MS }, (answer) => {
      let body = '';
      answer.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }));
    });
    outgoing.on('error', reject);
    outgoing.on('timeout', () => outgoing.destroy(new Error('timeout')));
  });
}

describe.skipIf(CONSUL === undefined || ENVOY === undefined)(
  'services of peers in a real Consul, called through its own Envoy',
  () => {
    let consul: ConsulServer;
    let adapter: MeshAdapter;
    let services: MeshServices;
    let west: TestCa;
    let foreign: Awaited<ReturnType<typeof startForeign>>;
    let impostor: Awaited<ReturnType<typeof startForeign>>;
    let upstreamPort: number;
    let sidecarPort: number;
    let adminPort: number;
    let roots: string;
    let echo: Server;
    const programs: RunningProgram[] = [];

    const imported = (port: number, more: Partial<ImportedService> = {}): ImportedService => ({
      trustDomain: WEST,
      id: parseServiceId('web.shop'),
      name: 'web.shop.west.federated',
      spiffeIds: [parseSpiffeId(SHOP)],
      ports: [
        {
          name: 'http',
          port: 8080,
          protocol: 'http',
          serverFirst: false,
          sni: SNI,
          endpoints: [{ host: '127.0.0.1', port, priority: 0, path: 'gateway' }],
        },
      ],
      namespaces: ['*'],
      state: 'serving',
      ...more,
    });
    const exportsOfOthers = {
      Kind: 'exported-services',
      Name: 'default',
      Services: [{ Name: 'frontend', Consumers: [{ Peer: PEER }, { Peer: 'partner' }] }],
    };
    /** A config entry without what Consul computes. */
    const entryOf = async (path: string) => {
      const entry = (await consul.call('GET', `/v1/config/${path}`)) as Record<string, unknown>;
      const { CreateIndex: _c, ModifyIndex: _m, Hash: _h, ...fields } = entry;
      return fields;
    };
    let tokenFile: string;
    const options = async () => ({
      address: consul.address,
      tokenFile: (tokenFile ??= await consul.token('federate', RIGHTS)),
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
    });
    const allow = (...callers: string[]) =>
      services.applyAccess(
        callers.length === 0
          ? []
          : [
              {
                policy: {
                  service: {
                    id: parseServiceId('frontend'),
                    ports: [{ name: 'tcp', port: 9, protocol: 'tcp', serverFirst: false }],
                  },
                  rules: [{ id: 'read', effect: 'allow', callers: callers.map(parseCaller) }],
                },
                placement: { namespace: 'default', labels: {}, peerNames: {} },
              },
            ],
        signal,
      );
    const health = async () =>
      (await consul.call('GET', `/v1/health/connect/web-shop?peer=${PEER}`)) as {
        Service: { Port: number; Connect: { PeerMeta: unknown }; Proxy: { DestinationServiceName: string } };
        Checks: { Status: string }[];
      }[];

    beforeAll(async () => {
      consul = await startConsul(CONSUL ?? '');
      west = await createTestCa({ trustDomain: WEST, ...validNow() });
      adapter = createConsulAdapter(await options());
      if (!adapter.services) throw new TypeError('the Consul adapter knows services');
      services = adapter.services;
      await eventually(
        async () => (await adapter.applyForeignTrust([west.bundle()], signal))[0]?.state === 'accepted',
      );
      for await (const own of adapter.watchOwnTrust(signal)) {
        roots = pemFromCertificates(own.roots.map(({ der }) => der));
        break;
      }
      foreign = await startForeign(west, '/ns/shop/sa/web', roots);
      impostor = await startForeign(west, '/ns/shop/sa/other', roots);
      [upstreamPort = 0, adminPort = 0, sidecarPort = 0] = await freePorts(3);
      echo = createTcpServer((socket) => socket.pipe(socket));
      await once(echo.listen(0, '127.0.0.1'), 'listening');
      await consul.call('PUT', '/v1/agent/service/register', {
        Name: 'frontend',
        Address: '127.0.0.1',
        Port: (echo.address() as AddressInfo).port,
        Connect: {
          SidecarService: {
            Port: sidecarPort,
            Proxy: {
              Upstreams: [
                { DestinationName: 'web-shop', DestinationPeer: PEER, LocalBindPort: upstreamPort },
              ],
            },
          },
        },
      });
    });
    afterAll(async () => {
      for (const program of programs) await program[Symbol.asyncDispose]();
      foreign?.server.close();
      impostor?.server.close();
      echo?.close();
      await adapter?.stop();
      await consul?.[Symbol.asyncDispose]();
    });

    function startSidecar(): void {
      const bootstrap = execFileSync(
        CONSUL ?? '',
        [
          'connect',
          'envoy',
          '-sidecar-for',
          'frontend',
          '-bootstrap',
          '-ignore-envoy-compatibility',
          `-http-addr=${consul.address}`,
          `-grpc-addr=http://127.0.0.1:${consul.grpcPort}`,
          `-admin-bind=127.0.0.1:${adminPort}`,
          `-token-file=${consul.adminTokenFile}`,
        ],
        { stdio: ['ignore', 'pipe', 'ignore'] },
      );
      writeFileSync(consul.folder.file('frontend.json'), bootstrap);
      const words = ['-c', consul.folder.file('frontend.json'), '--use-dynamic-base-id', '-l', 'warning'];
      programs.push(startProgram(ENVOY ?? '', words, { logFile: consul.folder.file('frontend.log') }));
    }

    it('tells Consul of an import with its SNI, its identity, its protocol and its gateway', async () => {
      expect(await services.applyImports([imported(foreign.port)], signal)).toMatchObject([
        {
          subject: 'import',
          service: 'web.shop',
          trustDomain: WEST,
          state: 'accepted',
          message: `the upstream has destination_peer "${PEER}" and destination_name web-shop`,
        },
      ]);
      expect(await health()).toMatchObject([
        {
          Service: {
            Port: foreign.port,
            Proxy: { DestinationServiceName: 'web-shop' },
            Connect: { PeerMeta: { SNI: [SNI], SpiffeID: [SHOP], Protocol: 'http' } },
          },
          Checks: [{ Status: 'passing' }],
        },
      ]);
    });

    it('lets a workload of Consul call it through its own sidecar, with SNI and identities of both sides', async () => {
      startSidecar();
      const answer = await eventually(async () => {
        const found = await callThrough(upstreamPort);
        return found.status === 200 ? found : undefined;
      });
      expect(answer.body).toBe('remarks of /ns/shop/sa/web');
      expect(foreign.calls.at(-1)).toEqual({
        sni: SNI,
        caller: expect.stringMatching(
          /URI:spiffe:\/\/[0-9a-f-]+\.consul\/ns\/default\/dc\/dc1\/svc\/frontend$/,
        ),
      });
    });

    it('does not let another identity of the peer answer', async () => {
      await services.applyImports([imported(impostor.port)], signal);
      await eventually(async () => (await callThrough(upstreamPort)).status === 503);
      expect(impostor.calls).toEqual([]);
      await services.applyImports([imported(foreign.port)], signal);
      await eventually(async () => (await callThrough(upstreamPort)).status === 200);
    });

    it('keeps an import through a restart of the agent, before the agent knows its imports again', async () => {
      await adapter.stop();
      adapter = createConsulAdapter(await options());
      if (!adapter.services) throw new TypeError('the Consul adapter knows services');
      services = adapter.services;
      await eventually(
        async () => (await adapter.applyForeignTrust([west.bundle()], signal))[0]?.state === 'accepted',
      );
      expect(await health()).toHaveLength(1);
      const before = await health();
      expect(await services.applyImports([imported(foreign.port)], signal)).toMatchObject([
        { state: 'accepted' },
      ]);
      expect(await health()).toEqual(before);
    });

    it('takes no new calls for an import that drains, and removes it from Consul when it is dropped', async () => {
      await services.applyImports([imported(foreign.port, { state: 'draining' })], signal);
      expect(await health()).toMatchObject([{ Checks: [{ Status: 'critical' }] }]);
      await eventually(async () => (await callThrough(upstreamPort)).status === 503);
      expect(await services.applyImports([], signal)).toMatchObject([{ state: 'removed' }]);
      await eventually(async () => (await health()).length === 0);
      expect(await health()).toEqual([]);
    });

    it('reads the services of the mesh, and exports of others to the peering as exports', async () => {
      const [service] = await services.readServices(signal);
      expect(service).toMatchObject({
        id: 'frontend',
        ports: [
          {
            name: 'tcp',
            port: (echo.address() as AddressInfo).port,
            protocol: 'tcp',
            target: { host: '127.0.0.1', port: sidecarPort },
          },
        ],
        spiffeIds: [
          expect.stringMatching(/^spiffe:\/\/[0-9a-f-]+\.consul\/ns\/default\/dc\/dc1\/svc\/frontend$/),
        ],
      });
      expect(service).not.toHaveProperty('exportedTo');
      await consul.call('PUT', '/v1/config', exportsOfOthers);
      expect(await services.readServices(signal)).toMatchObject([{ exportedTo: [WEST] }]);
    });

    it('adds exactly our consumer to exported-services, and takes exactly it away', async () => {
      await consul.call('PUT', '/v1/config', {
        ...exportsOfOthers,
        Services: [{ Name: 'frontend', Consumers: [{ Peer: 'partner' }] }],
      });
      const before = await entryOf('exported-services/default');
      const [service] = await services.readServices(signal);
      if (!service) throw new TypeError('there is a service');
      const apply = (...consumers: TrustDomain[]) =>
        services.applyExports(consumers.length > 0 ? [{ service, consumers }] : [], signal);
      expect(await apply(WEST)).toMatchObject([
        { subject: 'export', service: 'frontend', state: 'accepted' },
      ]);
      expect(await entryOf('exported-services/default')).toMatchObject({
        Services: [{ Name: 'frontend', Consumers: [{ Peer: 'partner' }, { Peer: PEER }] }],
      });
      const written = await consul.call('GET', '/v1/config/exported-services/default');
      await apply(WEST);
      expect(await consul.call('GET', '/v1/config/exported-services/default')).toEqual(written);
      expect((await services.readServices(signal))[0]).not.toHaveProperty('exportedTo');
      expect(await apply()).toMatchObject([{ service: 'frontend', state: 'removed' }]);
      expect(await entryOf('exported-services/default')).toEqual(before);
    });

    it('writes intentions for callers of a peer next to those of others, and takes exactly ours away', async () => {
      await consul.call('PUT', '/v1/config', {
        Kind: 'service-intentions',
        Name: 'frontend',
        Sources: [
          { Name: '*', Action: 'deny' },
          { Name: 'web', Action: 'allow', Description: 'by hand' },
        ],
      });
      const before = await entryOf('service-intentions/frontend');
      expect(await allow(API)).toMatchObject([
        { subject: 'access', service: 'frontend', state: 'accepted', code: 'datacenter-not-compared' },
      ]);
      expect(await entryOf('service-intentions/frontend')).toMatchObject({
        Sources: [
          { Name: 'web', Action: 'allow', Description: 'by hand' },
          { Name: 'api', Peer: PEER, Action: 'allow' },
          { Name: '*', Action: 'deny' },
          { Name: '*', Peer: PEER, Action: 'deny' },
        ],
      });
      const written = await consul.call('GET', '/v1/config/service-intentions/frontend');
      await allow(API);
      expect(await consul.call('GET', '/v1/config/service-intentions/frontend')).toEqual(written);
      const [refused] = await allow(SHOP);
      expect(refused).toMatchObject({ state: 'accepted', code: 'rule-left-out' });
      expect(refused?.message).toContain('rule read, caller: an intention names services of Consul');
      await allow();
      expect(await entryOf('service-intentions/frontend')).toEqual(before);
    });

    it('lets the named caller of a peer through the sidecar of the service, and nobody else', async () => {
      const [service] = await services.readServices(signal);
      if (!service) throw new TypeError('there is a service');
      const north = await createTestCa({ trustDomain: NORTH, ...validNow() });
      await adapter.applyForeignTrust([west.bundle(), north.bundle()], signal);
      expect(await echoed(API)).toBe(false);
      await services.applyExports([{ service, consumers: [WEST, NORTH] }], signal);
      await allow(API);
      await eventually(() => echoed(API));
      expect(await echoed('spiffe://west.example/ns/default/dc/dc9/svc/other')).toBe(false);
      expect(await echoed(SHOP)).toBe(false);
      await allow();
      await eventually(async () => !(await echoed(API)));
      await allow(API);
      await eventually(() => echoed(API));
      // A sidecar keeps the roots of its last peer (docs/meshes/consul.md), so another one stays.
      await services.applyExports([{ service, consumers: [NORTH] }], signal);
      await eventually(async () => !(await echoed(API)));
      await services.applyExports([], signal);
      await allow();
    });

    /** Whether a caller of the peer with this ID gets back what it sends through the public listener. */
    async function echoed(id: string): Promise<boolean> {
      const { certPem, keyPem } = await west.issueLeaf({ uriSans: [id], ...validNow() });
      return await new Promise((resolve) => {
        const options = { host: '127.0.0.1', port: sidecarPort, cert: certPem, key: keyPem, ca: roots };
        const socket = connectTls({ ...options, checkServerIdentity: () => undefined, timeout: PATIENCE_MS });
        const end = (isEchoed: boolean) => {
          socket.destroy();
          resolve(isEchoed);
        };
        socket.on('secureConnect', () => socket.write('hello'));
        socket.on('data', (chunk: Buffer) => end(chunk.toString() === 'hello'));
        for (const event of ['error', 'close', 'timeout']) socket.on(event, () => end(false));
      });
    }
  },
);
