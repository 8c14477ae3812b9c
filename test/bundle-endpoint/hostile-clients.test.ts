import { once } from 'node:events';
import { request } from 'node:https';
import type { Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BundleEndpoint, type BundleEndpointOptions } from '../../src/bundle-endpoint/index.ts';
import { type Svid, svidFromPem } from '../../src/mtls/index.ts';
import { createMetrics, type Metrics, systemClock } from '../../src/platform/index.ts';
import { bundleOf } from '../../src/spiffe/index.ts';
import { type HostileClient, hostileToTls, plug, swarm } from '../../testkit/hostile-clients.ts';
import { captureHello } from '../../testkit/capture-hello.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { createTestCa, type TestCa } from '../../testkit/test-ca.ts';

const SWARM = 20;
const LIMITS: BundleEndpointOptions['limits'] = {
  maxConnections: 3000,
  maxConnectionsPerAddress: 3000,
  handshakeMs: 1000,
  headersMs: 1000,
  idleMs: 1000,
};

let ca: TestCa;
let svid: Svid;
let hello: Buffer;
beforeAll(async () => {
  // TLS stacks judge certificates by the system clock, so this one is valid now.
  const valid = { notBefore: new Date(Date.now() - 3_600_000), notAfter: new Date(Date.now() + 86_400_000) };
  ca = await createTestCa({ trustDomain: 'a.example', ...valid });
  const leaf = await ca.issueLeaf({ path: '/federate', ...valid });
  svid = svidFromPem(leaf.certPem, leaf.keyPem);
  hello = await captureHello({ servername: 'a.example' });
});

let endpoint: BundleEndpoint;
let metrics: Metrics;
let log: ReturnType<typeof createRecordingLog>;
let port: number;
const sockets: Socket[] = [];

async function start(limits: Partial<BundleEndpointOptions['limits']> = {}): Promise<void> {
  await endpoint?.stop(0);
  log = createRecordingLog();
  metrics = createMetrics({ processMetrics: false });
  endpoint = new BundleEndpoint({
    profile: { kind: 'https_spiffe', svid: { current: () => svid, onChange: () => () => {} } },
    url: new URL('https://127.0.0.1/'),
    path: '/',
    limits: { ...LIMITS, ...limits },
    clock: systemClock,
    log,
    metrics,
  });
  endpoint.publish(bundleOf(ca.trustDomain, [ca.authority], { sequence: 1n, refreshHintSeconds: 300 }));
  await endpoint.start({ host: '127.0.0.1', port: 0 });
  port = endpoint.address().port;
}

beforeEach(() => start());
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await endpoint.stop(0);
});

/** A well-behaved client. */
async function honest(): Promise<void> {
  const outgoing = request({ host: '127.0.0.1', port, rejectUnauthorized: false, agent: false }).end();
  const [response] = await once(outgoing, 'response');
  expect(response.statusCode).toBe(200);
  response.resume();
  await once(response, 'end');
}

/** A TLS connection over which a test can send any bytes. */
async function speak(text: string | Uint8Array, then?: (socket: TLSSocket) => void): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  socket.on('error', () => {});
  sockets.push(socket);
  await once(socket, 'secureConnect');
  socket.write(text);
  then?.(socket);
  return socket;
}

/** All bytes of a connection until it is closed. */
async function heard(socket: TLSSocket): Promise<string> {
  let text = '';
  socket.on('data', (part: Buffer) => {
    text += part.toString('latin1');
  });
  if (!socket.closed) await once(socket, 'close');
  return text;
}

/** Requests that were answered, by the log. */
const answered = () => log.records.filter(({ message }) => message === 'request').length;
const rejected = async () =>
  (await metrics.render()).split('\n').filter((line) => line.includes('rejected_total{'));

describe('BundleEndpoint and hostile clients', () => {
  it.each(
    hostileToTls(Buffer.alloc(200)).map(([what]) => what),
  )('a client that %s is closed in time and counted, and does not affect other clients', async (what) => {
    const client = hostileToTls(hello).find(([each]) => each === what)?.[1] as HostileClient;
    const open = await swarm(SWARM, client, port);
    sockets.push(...open);
    await honest();
    const isGone = ({ closed, readableEnded }: Socket) => closed || readableEnded;
    for (const socket of open) socket.resume();
    await expect.poll(() => open.filter(isGone).length).toBe(SWARM);
    await honest();
    expect(answered()).toBe(2);
    expect(log.records.filter(({ level }) => level === 'error')).toEqual([]);
    for (const socket of sockets.splice(0)) socket.destroy();
    await endpoint.stop(10_000);
  });

  it('a ClientHello cut at every byte, without its rest, delays no other client', async () => {
    for (let cut = 1; cut < hello.length; cut += 1) {
      const socket = await plug(port);
      socket.write(hello.subarray(0, cut));
      sockets.push(socket);
    }
    await honest();
    await expect
      .poll(async () => (await rejected()).join())
      .toMatch(new RegExp(`handshake"} ${hello.length - 1}`));
  });

  it('a thousand idle connections leave room for an honest one, and are closed when their time is up', async () => {
    sockets.push(...(await swarm(1000, plug, port)));
    await honest();
    await expect.poll(async () => (await rejected()).join()).toMatch(/handshake"} 1000/);
    await honest();
  });

  it.each([
    ['headers that drip in', 'GET / HTTP/1.1\r\nhost: a\r\nx: ', /^HTTP\/1\.1 408 |^$/],
    ['headers that never end', `GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(20_000)}`, /^HTTP\/1\.1 431 /],
    ['a line that never ends', `GET /${'y'.repeat(20_000)}`, /^HTTP\/1\.1 431 /],
    [
      'a thousand headers',
      `GET / HTTP/1.1\r\n${'x: y\r\n'.repeat(2000)}`,
      /^HTTP\/1\.1 431 |^HTTP\/1\.1 400 /,
    ],
    [
      'two lengths',
      'GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\ncontent-length: 5\r\n\r\n',
      /^HTTP\/1\.1 400 /,
    ],
    [
      'a length and chunks',
      'GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n',
      /^HTTP\/1\.1 400 /,
    ],
    ['a space before the colon', 'GET / HTTP/1.1\r\nhost : a\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['a folded header', 'GET / HTTP/1.1\r\nhost: a\r\nx: a\r\n b\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['no HTTP', '\0\0\0\0\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['HTTP/2 without having asked', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', /^HTTP\/1\.1 400 |^$/],
    ['a tunnel', 'CONNECT other.example:443 HTTP/1.1\r\nhost: other.example\r\n\r\n', /^$/],
  ])('a request with %s gets no bundle', async (_what, text, answer) => {
    const hostile = heard(await speak(text));
    await honest();
    expect(await hostile).toMatch(answer);
    expect(answered()).toBe(1);
  });

  it.each([
    [
      'the whole URL of another server',
      'GET http://other.example/secret HTTP/1.1\r\nhost: other.example\r\nconnection: close\r\n\r\n',
      /^HTTP\/1\.1 404 /,
    ],
    [
      'an upgrade',
      'GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n',
      /^HTTP\/1\.1 200 /,
    ],
    [
      'a body that is chunked',
      'GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
      /^HTTP\/1\.1 200 /,
    ],
  ])('a request with %s is a request for our bundle and nothing more', async (_what, text, answer) => {
    const all = await heard(await speak(text));
    expect(all).toMatch(answer);
    expect(all.match(/HTTP\/1\.1 /g)).toHaveLength(1);
  });

  it('a client that sends requests without end and never reads is neither answered without end nor kept', async () => {
    const requests = Buffer.from('GET / HTTP/1.1\r\nhost: a\r\n\r\n'.repeat(500));
    const hostile = await speak(requests, (socket) => {
      socket.pause();
      const pour = () => {
        while (!socket.destroyed && socket.write(requests));
      };
      socket.on('drain', pour);
      pour();
    });
    await honest();
    await expect.poll(() => answered()).toBeGreaterThan(1);
    let before = -1;
    const stalls = () => {
      const same = answered() === before;
      before = answered();
      return same;
    };
    await expect.poll(stalls, { interval: 300 }).toBe(true);
    expect(answered()).toBeLessThanOrEqual(1002);
    hostile.destroy();
    await honest();
  });

  it('clients that ask to wait fill only their own places, and can leave at any time', async () => {
    await start({ maxWaiting: 6 });
    const first = heard(await speak('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'));
    const etag = /etag: (\S+)/i.exec(await first)?.[1];
    const wish = `GET / HTTP/1.1\r\nhost: a\r\nif-none-match: ${etag}\r\nprefer: wait=300\r\nconnection: close\r\n\r\n`;
    const waiting = await Promise.all(Array.from({ length: 5 }, () => speak(wish)));
    await expect.poll(() => metrics.render()).toContain('federate_endpoint_waiting 5');
    expect(await heard(await speak(wish))).toMatch(/^HTTP\/1\.1 304 /);
    await honest();
    for (const socket of waiting) socket.destroy();
    await expect.poll(() => metrics.render()).toContain('federate_endpoint_waiting 0');
  });

  it('two connections with a thousand pipelined wait requests hold two places, and are answered', async () => {
    await start({ maxWaiting: 100 });
    const first = heard(await speak('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'));
    const etag = /etag: (\S+)/i.exec(await first)?.[1];
    const wish = `GET / HTTP/1.1\r\nhost: a\r\nif-none-match: ${etag}\r\nprefer: wait=300\r\n\r\n`;
    const greedy = await Promise.all(Array.from({ length: 2 }, () => speak(wish.repeat(999))));
    let bytes = 0;
    for (const socket of greedy) socket.on('data', (part: Buffer) => (bytes += part.length));
    const honestOne = await speak(wish);
    const held = async () => Number(/federate_endpoint_waiting (\d+)/.exec(await metrics.render())?.[1]);
    await expect.poll(answered).toBeGreaterThan(400);
    expect(bytes).toBeGreaterThan(0);
    expect(await held()).toBeLessThanOrEqual(3);
    endpoint.publish(bundleOf(ca.trustDomain, [ca.authority], { sequence: 2n, refreshHintSeconds: 300 }));
    const [answer] = await once(honestOne, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('one log line per request is bounded and printable, and lines are bounded too', async () => {
    const path = `/${'%1b[2J'.repeat(1000)}`;
    await heard(await speak(`GET ${path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`));
    await expect.poll(answered).toBe(1);
    const line = log.records.find(({ message }) => message === 'request');
    expect(String(line?.fields['path']).length).toBeLessThanOrEqual(200);
  });
});
