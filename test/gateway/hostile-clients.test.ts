import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Gateway, type GatewayLimits, parseRouteTable } from '../../src/gateway/index.ts';
import { createMetrics, systemClock } from '../../src/platform/index.ts';
import {
  floods,
  type HostileClient,
  hostileToTls,
  plug,
  sends,
  swarm,
} from '../../testkit/hostile-clients.ts';
import { captureHello } from '../../testkit/capture-hello.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { createTestCa } from '../../testkit/test-ca.ts';

const SWARM = 20;
const LIMITS: GatewayLimits = {
  maxConnections: 4000,
  maxConnectionsPerAddress: 4000,
  helloTimeoutMs: 1000,
  connectTimeoutMs: 1000,
  idleTimeoutMs: 500,
};

/** The outcomes of each kind of client. */
const OUTCOMES: Readonly<Record<string, readonly string[]>> = {
  'says nothing': ['hello-timeout'],
  'says nothing more after half a ClientHello': ['hello-timeout'],
  'says nothing more after one byte': ['hello-timeout'],
  'sends noise': ['not-tls', 'hello-malformed', 'hello-timeout'],
  'sends noise in a handshake record': ['hello-malformed', 'hello-too-large'],
  'speaks plain HTTP': ['not-tls'],
  'speaks SSL 2': ['not-tls'],
  // The TLS version is between them and the upstream; the name has no route here.
  'speaks TLS 1.0': ['no-route'],
  'speaks TLS 1.1': ['no-route'],
  'announces a ClientHello of 16 MiB': ['hello-too-large'],
  'sends empty records': ['hello-malformed'],
  'sends records without end': ['hello-too-large'],
  'sends application data first': ['not-tls'],
  'half-closes before it says anything': ['closed-early'],
  'half-closes in its ClientHello': ['closed-early'],
  'half-closes after its ClientHello': ['done', 'idle-timeout', 'upstream-broke'],
  'resets at once': ['closed-early'],
  'resets in its ClientHello': ['closed-early'],
  'resets after its ClientHello': ['closed-early', 'client-broke', 'upstream-unreachable'],
};

const stops: (() => unknown)[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const stop of stops.splice(0).reverse()) await stop();
});

let upstreamPort: number;
let certificate: { cert: string; key: string };
const upstream = createTlsServer((socket) => {
  socket.on('error', () => {});
  socket.pipe(socket);
});
const upstreamSockets = new Set<Socket>();
beforeAll(async () => {
  const ca = await createTestCa({ trustDomain: 'up.example' });
  const leaf = await ca.issueLeaf({ dnsSans: ['up.example'] });
  certificate = { cert: leaf.certPem, key: leaf.keyPem };
  upstream.setSecureContext(certificate);
  upstream.on('tlsClientError', () => {});
  upstream.on('connection', (socket: Socket) => {
    upstreamSockets.add(socket);
    socket.once('close', () => upstreamSockets.delete(socket));
  });
  await once(upstream.listen(0, '127.0.0.1'), 'listening');
  upstreamPort = (upstream.address() as AddressInfo).port;
});
afterAll(() => {
  for (const socket of upstreamSockets) socket.destroy();
  upstream.close();
});

async function start(limits: Partial<GatewayLimits> = {}, portOfUp = upstreamPort) {
  const log = createRecordingLog();
  const metrics = createMetrics({ processMetrics: false });
  const gateway = new Gateway({
    routes: parseRouteTable({
      'up.example': `127.0.0.1:${portOfUp}`,
      'honest.example': `127.0.0.1:${upstreamPort}`,
    }),
    limits: { ...LIMITS, ...limits },
    clock: systemClock,
    log,
    metrics,
  });
  await gateway.start({ host: '127.0.0.1', port: 0 });
  stops.push(() => gateway.stop(0));
  const { port } = gateway.address();
  /** How the connections ended, without the honest ones. */
  const outcomes = () =>
    log.records
      .filter(({ message, fields }) => message === 'connection ended' && fields['sni'] !== 'honest.example')
      .map(({ fields }) => String(fields['code']));
  return { gateway, port, log, metrics, outcomes };
}

/** A well-behaved client: an upstream that ends its TLS echoes its message. */
async function honest(port: number): Promise<void> {
  const socket: TLSSocket = connectTls({
    host: '127.0.0.1',
    port,
    servername: 'honest.example',
    rejectUnauthorized: false,
  });
  sockets.push(socket);
  await once(socket, 'secureConnect');
  socket.write('echo');
  const [echo] = (await once(socket, 'data')) as [Buffer];
  expect(echo.toString()).toBe('echo');
  socket.destroy();
}

describe('Gateway and hostile clients', () => {
  let hello: Buffer;
  beforeAll(async () => {
    hello = await captureHello({ servername: 'up.example' });
  });
  const kinds = hostileToTls(Buffer.alloc(200)).map(([what]) => what);

  it.each(
    kinds,
  )('a client that %s: other clients are not affected, it ends, and the log has its outcome', async (what) => {
    const { port, outcomes, gateway, log } = await start();
    const client = hostileToTls(hello).find(([each]) => each === what)?.[1] as HostileClient;
    sockets.push(...(await swarm(SWARM, client, port)));
    await honest(port);
    await expect.poll(() => outcomes().length).toBe(SWARM);
    expect(outcomes().filter((code) => !OUTCOMES[what]?.includes(code))).toEqual([]);
    expect(log.records.filter(({ level }) => level === 'error')).toEqual([]);
    // If one of them were still counted, the server would not stop.
    for (const socket of sockets.splice(0)) socket.destroy();
    await gateway.stop(10_000);
  });

  it('a ClientHello cut at every byte, without its rest, delays no other client', async () => {
    const { port, outcomes } = await start();
    const cuts = Array.from({ length: hello.length - 1 }, (_, index) => sends(hello.subarray(0, index + 1)));
    sockets.push(...(await Promise.all(cuts.map((client) => client(port)))));
    await honest(port);
    await expect.poll(() => outcomes().filter((code) => code === 'hello-timeout').length).toBe(cuts.length);
  });

  it('a thousand idle connections leave room for an honest one, and are closed when their time is up', async () => {
    const { port, outcomes } = await start({ helloTimeoutMs: 3000 });
    sockets.push(...(await swarm(1000, plug, port)));
    await honest(port);
    await expect.poll(() => outcomes().filter((code) => code === 'hello-timeout').length).toBe(1000);
    await honest(port);
  });

  it('one address can fill its own share only', async () => {
    const { port, outcomes, metrics } = await start({ maxConnectionsPerAddress: 10, helloTimeoutMs: 3000 });
    sockets.push(...(await swarm(30, plug, port)));
    await expect
      .poll(() => outcomes().filter((code) => code === 'too-many-connections-of-address').length)
      .toBe(20);
    expect(await metrics.render()).toContain(
      'federate_gateway_connections_total{outcome="too-many-connections-of-address"} 20',
    );
  });

  it('closes connections above its limit, logs that, and serves again when there is room', async () => {
    const { port, log } = await start({ maxConnections: 10, helloTimeoutMs: 300 });
    sockets.push(...(await swarm(15, plug, port)));
    await expect
      .poll(() => log.records.filter(({ fields }) => fields['code'] === 'too-many-connections').length)
      .toBe(5);
    await expect
      .poll(() =>
        honest(port).then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
  });

  it.each([
    ['no name', undefined, 'no-server-name'],
    ['a name without a route', 'other.example', 'no-route'],
    ['the name of a host that is not ours, on a route that is', 'up.example.evil.example', 'no-route'],
  ])('a ClientHello with %s goes nowhere', async (_what, name, code) => {
    const { port, outcomes } = await start();
    const before = upstreamSockets.size;
    const client = await sends(await captureHello({ servername: name }))(port);
    sockets.push(client);
    await once(client, 'end');
    await expect.poll(outcomes).toEqual([code]);
    expect(upstreamSockets.size).toBe(before);
  });

  it('holds no more than its buffers for a client that never stops and an upstream that never reads', async () => {
    const sink = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => {});
      socket.pause();
    }).listen(0, '127.0.0.1');
    await once(sink, 'listening');
    stops.push(() => new Promise((resolve) => sink.close(resolve)));
    const { gateway, port } = await start({ idleTimeoutMs: 5000 }, (sink.address() as AddressInfo).port);
    const flood = await floods(Buffer.concat([hello, Buffer.alloc(60_000)]))(port);
    sockets.push(flood);
    const taken = () => flood.bytesWritten - flood.writableLength;
    let before = -1;
    const stalls = () => {
      const same = taken() === before && before > 0;
      before = taken();
      return same;
    };
    await expect.poll(stalls, { interval: 200 }).toBe(true);
    // The system's buffers on both hops and those of the gateway: far from "without end".
    expect(taken()).toBeLessThan(64 * 1024 * 1024);
    await honest(port);
    flood.destroy();
    await gateway.stop(0);
  });
});
