import { execFileSync } from 'node:child_process';
import { plainAgentConfig } from '../../testkit/agent-config.ts';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { request as tlsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agentConfigSchema } from '../../src/config/agent-config.ts';
import { gatewayBootstrap } from '../../src/envoy/federation-gateway/bootstrap.ts';
import { createFederationGateway } from '../../src/envoy/federation-gateway/gateway.ts';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { createConsulAdapter, type OwnTrust } from '../../src/mesh-adapters/index.ts';
import { silentLog, systemClock, systemRandom } from '../../src/platform/index.ts';
import { bundleOf, pemFromCertificates, type TrustBundle } from '../../src/spiffe/index.ts';
import { createTestCa, type TestCa } from '../../testkit/test-ca.ts';
import { type ConsulServer, startConsul } from './consul-server.ts';
import { PATIENCE_MS } from '../../testkit/patience.ts';
import { eventually, type RunningProgram, startProgram, validNow } from './program.ts';

/** Paths of the real programs; without both nothing here runs. */
const CONSUL = process.env['FEDERATE_CONSUL'];
const ENVOY = process.env['FEDERATE_ENVOY'];
const WEB = 'spiffe://west.example/ns/shop/sa/web';
/** How it looks from outside when a handshake fails after our part of it, or a connection leads nowhere. */
const TLS_ENDED = /alert|ECONNRESET|EPIPE|hang up|disconnected/;
const context = { clock: systemClock, random: systemRandom, log: silentLog, environment: {} };

interface Answer {
  readonly status: number;
  readonly body: string;
}

/**
 * Foreign clients → Envoy as the federation gateway → Envoy as Consul's own sidecar → a service that tells its headers.
 * Intentions are Consul's: west-web is allowed, all others are not.
 */
describe.skipIf(CONSUL === undefined || ENVOY === undefined)(
  'the federation gateway: Envoy before a real Consul',
  () => {
    let consul: ConsulServer;
    let service: Server;
    let west: TestCa;
    let east: TestCa;
    let own: OwnTrust | undefined;
    let foreign: TrustBundle[];
    let part: Awaited<ReturnType<typeof createFederationGateway>>;
    let port: number;
    const programs: RunningProgram[] = [];

    beforeAll(async () => {
      consul = await startConsul(CONSUL ?? '');
      west = await createTestCa({ trustDomain: 'west.example', ...validNow() });
      east = await createTestCa({ trustDomain: 'east.example', ...validNow() });
      foreign = [west.bundle(), east.bundle()];
      service = createServer((incoming, response) => response.end(JSON.stringify(incoming.headers)));
      await once(service.listen(0, '127.0.0.1'), 'listening');
      const [sidecarPort = 0, adminPort = 0, gatewayPort = 0] = await freePorts(3);
      port = gatewayPort;
      await consul.call('PUT', '/v1/config', { Kind: 'service-defaults', Name: 'info', Protocol: 'http' });
      await consul.call('PUT', '/v1/config', {
        Kind: 'service-intentions',
        Name: 'info',
        Sources: [{ Name: 'west-web', Action: 'allow' }],
      });
      await consul.call('PUT', '/v1/agent/service/register', {
        Name: 'info',
        Address: '127.0.0.1',
        Port: (service.address() as AddressInfo).port,
        Connect: { SidecarService: { Port: sidecarPort } },
      });
      await startSidecar(adminPort);
      const adapter = createConsulAdapter({ address: consul.address, ...context });
      for await (const trust of adapter.watchOwnTrust(new AbortController().signal)) {
        own = trust;
        break;
      }
      await adapter.stop();
      await startGateway(gatewayPort, sidecarPort);
      await eventually(async () => (await get('web')).status === 200);
    });
    afterAll(async () => {
      for (const program of programs) await program[Symbol.asyncDispose]();
      await part?.stop();
      service.close();
      await consul[Symbol.asyncDispose]();
    });

    async function startSidecar(adminPort: number): Promise<void> {
      const words = ['connect', 'envoy', '-sidecar-for', 'info', '-bootstrap', '-ignore-envoy-compatibility'];
      const bootstrap = execFileSync(
        CONSUL ?? '',
        [
          ...words,
          `-http-addr=${consul.address}`,
          `-grpc-addr=http://127.0.0.1:${consul.grpcPort}`,
          `-admin-bind=127.0.0.1:${adminPort}`,
          `-token-file=${consul.adminTokenFile}`,
        ],
        {
          stdio: ['ignore', 'pipe', 'ignore'],
          env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}` },
        },
      );
      writeFileSync(consul.folder.file('sidecar.json'), bootstrap);
      runEnvoy('sidecar');
    }

    async function startGateway(gatewayPort: number, sidecarPort: number): Promise<void> {
      const rules = ['federation-gateway', 'west-web', 'east-web']
        .map((name) => `service "${name}" { policy = "write" }`)
        .join('\n');
      const gateway = {
        sds_socket: consul.folder.file('sds.sock'),
        listen: `127.0.0.1:${gatewayPort}`,
        identities: [
          { spiffe_id: WEB, service: 'west-web' },
          { spiffe_id: 'spiffe://east.example/ns/shop/sa/web', service: 'east-web' },
        ],
        routes: ['http', 'tcp'].map((protocol) => ({
          sni: `${protocol}.federated`,
          service: 'info',
          address: `127.0.0.1:${sidecarPort}`,
          protocol,
        })),
      };
      const { mesh } = agentConfigSchema.parse({
        ...plainAgentConfig(),
        mesh: {
          kind: 'consul',
          address: consul.address,
          token_file: await consul.token('gateway', rules),
          federation_gateway: gateway,
        },
      });
      if (!own || mesh.kind !== 'consul' || !mesh.federation_gateway) throw new TypeError('nothing to start');
      const current = bundleOf(own.trustDomain, [...own.roots]);
      part = await createFederationGateway({ mesh }, { current }, { list: () => foreign }, context);
      await part?.start();
      const bootstrap = gatewayBootstrap({
        gateway: mesh.federation_gateway,
        sdsSocket: gateway.sds_socket,
        trustDomain: own.trustDomain,
      });
      writeFileSync(consul.folder.file('gateway.json'), JSON.stringify(bootstrap));
      runEnvoy('gateway');
    }

    function runEnvoy(name: string): void {
      const words = ['-c', consul.folder.file(`${name}.json`), '--use-dynamic-base-id', '-l', 'warning'];
      programs.push(startProgram(ENVOY ?? '', words, { logFile: consul.folder.file(`${name}.log`) }));
    }

    /** Asks for the service as west's workload of this name, or with this certificate. Throws where TLS fails. */
    async function get(
      who: string | { readonly certPem: string; readonly keyPem: string },
      options: {
        readonly protocol?: 'http' | 'tcp';
        readonly headers?: Readonly<Record<string, string>>;
      } = {},
    ): Promise<Answer> {
      const { protocol = 'http', headers = {} } = options;
      const svid =
        typeof who === 'string' ? await west.issueLeaf({ path: `/ns/shop/sa/${who}`, ...validNow() }) : who;
      return await new Promise((resolve, reject) => {
        const outgoing = tlsRequest(
          {
            host: '127.0.0.1',
            port,
            servername: `${protocol}.federated`,
            cert: svid.certPem,
            key: svid.keyPem,
            ca: pemFromCertificates((own?.roots ?? []).map(({ der }) => der)),
            // The gateway shows an ID, no name of a host.
            checkServerIdentity: () => undefined,
            headers,
            agent: false,
            timeout: PATIENCE_MS,
          },
          (answer) => {
            let body = '';
            answer.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')));
            answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }));
          },
        );
        outgoing.on('error', reject);
        outgoing.on('timeout', () => outgoing.destroy(new Error('timeout')));
        outgoing.end();
      });
    }

    it('lets a listed foreign identity in as the Consul service that an intention names, and tells who it is', async () => {
      const { status, body } = await get('web', {
        headers: {
          'x-forwarded-client-cert': 'By=spiffe://evil;URI=spiffe://evil',
          'x-federate-peer': 'evil',
        },
      });
      expect(status).toBe(200);
      const { 'x-forwarded-client-cert': xfcc, ...others } = JSON.parse(body) as Record<string, string>;
      const [first, last] = xfcc?.split(',') ?? [];
      expect(first?.endsWith(`;URI=${WEB}`)).toBe(true);
      expect(last).toContain(`;URI=spiffe://${own?.trustDomain}/ns/default/dc/dc1/svc/west-web`);
      expect(xfcc).not.toContain('evil');
      expect(others).not.toHaveProperty('x-federate-peer');
    });

    it('lets it in over plain TCP as well', async () => {
      expect((await get('web', { protocol: 'tcp' })).status).toBe(200);
    });

    it('gives each identity a service of its own: one that no intention allows is denied by Consul’s sidecar', async () => {
      const svid = await east.issueLeaf({ path: '/ns/shop/sa/web', ...validNow() });
      expect(await get(svid)).toMatchObject({ status: 403, body: 'RBAC: access denied' });
    });

    it.each(['http', 'tcp'] as const)('refuses an identity that is not listed (%s)', async (protocol) => {
      await expect(get('other', { protocol })).rejects.toThrow(TLS_ENDED);
    });

    it.each([
      'http',
      'tcp',
    ] as const)('refuses a listed identity under the roots of another trust domain (%s)', async (protocol) => {
      const forged = await east.issueLeaf({ uriSans: [WEB], ...validNow() });
      await expect(get(forged, { protocol })).rejects.toThrow(TLS_ENDED);
    });

    it('lets nobody in by a second URI SAN, though Envoy’s validator takes the certificate', async () => {
      const uriSans = ['spiffe://east.example/ns/shop/sa/x', WEB];
      const two = await east.issueLeaf({ uriSans, ...validNow() });
      expect(await get(two)).toMatchObject({ status: 403, body: expect.stringContaining('no service here') });
      await expect(get(two, { protocol: 'tcp' })).rejects.toThrow(TLS_ENDED);
      const turned = await east.issueLeaf({ uriSans: [...uriSans].reverse(), ...validNow() });
      await expect(get(turned)).rejects.toThrow(TLS_ENDED);
    });

    it('shows its own Consul identity to the foreign client', async () => {
      const svid = await west.issueLeaf({ path: '/ns/shop/sa/web', ...validNow() });
      const { connect } = await import('node:tls');
      const socket = connect({
        host: '127.0.0.1',
        port,
        servername: 'http.federated',
        cert: svid.certPem,
        key: svid.keyPem,
        rejectUnauthorized: false,
      });
      await once(socket, 'secureConnect');
      expect(socket.getPeerCertificate().subjectaltname).toContain(
        `URI:spiffe://${own?.trustDomain}/ns/default/dc/dc1/svc/federation-gateway`,
      );
      socket.destroy();
    });

    it('refuses whom it took before, once the roots are gone, and takes them back', async () => {
      const held = foreign;
      foreign = [east.bundle()];
      part?.trustChanged();
      await eventually(() =>
        get('web').then(
          () => false,
          () => true,
        ),
      );
      foreign = [];
      part?.trustChanged();
      const svid = await east.issueLeaf({ path: '/ns/shop/sa/web', ...validNow() });
      await eventually(() =>
        get(svid).then(
          () => false,
          () => true,
        ),
      );
      foreign = held;
      part?.trustChanged();
      await eventually(async () => (await get('web')).status === 200);
      expect((await get('web')).status).toBe(200);
    });
  },
);
