import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createHash, randomBytes } from 'node:crypto';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import {
  createPooledRelay,
  Gateway,
  type GatewayLimits,
  parseRouteTable,
  pipeRelay,
} from '../../src/gateway/index.ts';
import { createMetrics, systemClock } from '../../src/platform/index.ts';
import { captureHello } from '../../testkit/capture-hello.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { createTestCa } from '../../testkit/test-ca.ts';

const LIMITS: GatewayLimits = {
  maxConnections: 100,
  maxConnectionsPerAddress: 50,
  helloTimeoutMs: 500,
  connectTimeoutMs: 1000,
  idleTimeoutMs: 5000,
};

const stops: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function listen(server: Server): Promise<number> {
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  stops.push(() => {
    for (const socket of open) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

describe.each([
  ['pipe', () => pipeRelay],
  ['pooled', () => createPooledRelay()],
] as const)('Gateway with the %s relay', (_kind, relay) => {
  async function start(handler: (socket: Socket) => void, limits: Partial<GatewayLimits> = {}) {
    const upstream = await listen(createServer({ allowHalfOpen: true }, handler));
    const log = createRecordingLog();
    const gateway = new Gateway({
      routes: parseRouteTable({ 'up.example': `127.0.0.1:${upstream}`, 'down.example': '127.0.0.1:1' }),
      limits: { ...LIMITS, ...limits },
      clock: systemClock,
      log,
      metrics: createMetrics({ processMetrics: false }),
      relay: relay(),
    });
    await gateway.start({ host: '127.0.0.1', port: 0 });
    stops.push(() => gateway.stop(100));
    const outcome = () => log.records.find((record) => record.message === 'connection ended')?.fields['code'];
    return { gateway, port: gateway.address().port, log, outcome };
  }

  it('passes many megabytes unaltered in both directions at once', async () => {
    const digests: string[] = [];
    const down = randomBytes(8 * 1024 * 1024);
    const { port, outcome } = await start((socket) => {
      const hash = createHash('sha256');
      socket.on('data', (part: Buffer) => hash.update(part));
      socket.on('end', () => digests.push(hash.digest('hex')));
      socket.end(down);
    });
    const hello = await captureHello({ servername: 'up.example' });
    const up = randomBytes(8 * 1024 * 1024);
    const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const hash = createHash('sha256');
    client.on('data', (part: Buffer) => hash.update(part));
    client.write(hello);
    client.end(up);
    await once(client, 'end');
    await expect.poll(() => digests[0]).toBe(createHash('sha256').update(hello).update(up).digest('hex'));
    expect(hash.digest('hex')).toBe(createHash('sha256').update(down).digest('hex'));
    await expect.poll(outcome).toBe('done');
  });

  it('keeps one direction open after the end of the other (half-close), both ways round', async () => {
    const { port } = await start((socket) => {
      let text = 0;
      socket.on('data', (part: Buffer) => {
        text += part.length;
      });
      socket.on('end', () => socket.end(`got ${text}`));
    });
    const hello = await captureHello({ servername: 'up.example' });
    const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    client.end(hello);
    let answer = '';
    client.on('data', (part: Buffer) => {
      answer += part.toString();
    });
    await once(client, 'end');
    expect(answer).toBe(`got ${hello.length}`);
  });

  it('carries a whole TLS session whose certificate is the upstream’s own', async () => {
    const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
    const ca = await createTestCa({ trustDomain: 'up.example', ...validity });
    const leaf = await ca.issueLeaf({ path: '/x', ...validity });
    const tls = createTlsServer({ cert: leaf.certPem, key: leaf.keyPem }, (socket) => socket.pipe(socket));
    const upstream = await listen(tls);
    const { gateway, port } = await start(() => {});
    gateway.setRoutes(parseRouteTable({ '*.example': `127.0.0.1:${upstream}` }));
    const client = connectTls({
      host: '127.0.0.1',
      port,
      servername: 'UP.Example',
      rejectUnauthorized: false,
    });
    await once(client, 'secureConnect');
    const [der] = leaf.chain;
    expect(der && client.getPeerX509Certificate()?.raw.equals(der)).toBe(true);
    client.write('hello through the gateway');
    expect(String((await once(client, 'data'))[0])).toBe('hello through the gateway');
    client.destroy();
  });

  it('stops reading from a side that is faster than the other side reads', async () => {
    let sent = 0;
    let stalled: Socket | undefined;
    const { port } = await start((socket) => {
      stalled = socket;
      const more = () => {
        while (!socket.destroyed && socket.write(Buffer.alloc(64 * 1024))) sent += 64 * 1024;
      };
      socket.on('drain', more);
      socket.on('error', () => {});
      more();
    });
    const client = connect({ port, host: '127.0.0.1' });
    client.on('error', () => {});
    client.pause();
    client.write(await captureHello({ servername: 'up.example' }));
    let before = -1;
    await expect
      .poll(
        () => {
          const same = sent === before && sent > 0;
          before = sent;
          return same;
        },
        { interval: 200 },
      )
      .toBe(true);
    // Socket buffers of the system on both hops, and those of the gateway: far from "without end".
    expect(sent).toBeLessThan(64 * 1024 * 1024);
    client.destroy();
    stalled?.destroy();
  });

  it.each([
    ['a name without a route', 'other.example', 'no-route'],
    ['an upstream that is down', 'down.example', 'upstream-unreachable'],
  ])('ends a connection with %s', async (_what, name, code) => {
    const { port, outcome } = await start((socket) => socket.destroy());
    const client = connect({ port, host: '127.0.0.1' });
    client.on('error', () => {});
    client.write(await captureHello({ servername: name }));
    client.resume();
    await once(client, 'close');
    await expect.poll(outcome).toBe(code);
  });

  it('closes a connection that is silent for too long, before its hello and after it', async () => {
    const { port, outcome, log } = await start(() => {}, { helloTimeoutMs: 100, idleTimeoutMs: 300 });
    const early = connect({ port, host: '127.0.0.1' });
    early.resume();
    await once(early, 'close');
    expect(outcome()).toBe('hello-timeout');
    log.records.length = 0;
    const late = connect({ port, host: '127.0.0.1' });
    late.on('error', () => {});
    late.write(await captureHello({ servername: 'up.example' }));
    late.resume();
    await once(late, 'close');
    await expect.poll(outcome).toBe('idle-timeout');
  });

  it('closes both sides when one breaks, and counts open connections correctly', async () => {
    const sockets: Socket[] = [];
    const { gateway, port } = await start(
      (socket) => {
        socket.on('error', () => {});
        socket.on('end', () => socket.end());
        sockets.push(socket);
      },
      { maxConnectionsPerAddress: 2 },
    );
    const hello = await captureHello({ servername: 'up.example' });
    for (let round = 0; round < 6; round += 1) {
      const client = connect({ port, host: '127.0.0.1' });
      client.on('error', () => {});
      client.write(hello);
      await expect.poll(() => sockets.length).toBe(round + 1);
      const upstream = sockets[round];
      if (round % 2 === 0) {
        client.resetAndDestroy();
        if (upstream && !upstream.destroyed) await once(upstream.resume(), 'close');
      } else {
        upstream?.resetAndDestroy();
        client.resume();
        await once(client, 'close');
      }
    }
    // If one of them were still counted, the server would not stop.
    await gateway.stop(10_000);
    expect(() => gateway.address()).toThrow(/does not listen/);
  });
});
