import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { beforeAll, describe, expect, it } from 'vitest';
import { secureContextOptions } from '../../src/mtls/index.ts';
import { type HostileClient, hostileToTls, plug, swarm } from '../../testkit/hostile-clients.ts';
import { captureHello } from '../../testkit/capture-hello.ts';
import { createTestCa, type TestCa } from '../../testkit/test-ca.ts';
import { perDomain, type TestLeaf, World } from './support.ts';

const SWARM = 20;

let a: TestCa;
let b: TestCa;
let caller: TestLeaf;
let info: TestLeaf;
let hello: Buffer;
beforeAll(async () => {
  a = await createTestCa({ trustDomain: 'a.example' });
  b = await createTestCa({ trustDomain: 'b.example' });
  caller = await a.issueLeaf({ path: '/caller' });
  info = await b.issueLeaf({ path: '/info' });
  hello = await captureHello({ servername: 'info.example' });
});

/** A sidecar of B in front of a workload that echoes its requests. */
async function called(world: World, { handshakeMs = 1000, drainMs = 50 } = {}) {
  const seen: {
    method: string | undefined;
    url: string | undefined;
    headers: NodeJS.Dict<string | string[]>;
  }[] = [];
  const workload = await world.workload((incoming, response) => {
    seen.push({ method: incoming.method, url: incoming.url, headers: incoming.headers });
    incoming.resume().once('end', () => response.end('from the workload'));
  });
  const inbound = {
    listen: { host: '127.0.0.1', port: 0 },
    forwardTo: { host: '127.0.0.1', port: workload },
    allow: [caller.id],
    handshakeMs,
  };
  const { sidecar, give, metrics } = await world.sidecar(info, perDomain(b.bundle(), a.bundle()), {
    inbound,
    drainMs,
  });
  const sockets: Socket[] = [];
  world.add(() => {
    for (const socket of sockets) socket.destroy();
  });
  return { port: sidecar.inbound?.address().port ?? 0, seen, sockets, sidecar, give, metrics };
}

type TlsChoice = Pick<ConnectionOptions, 'minVersion' | 'maxVersion' | 'session'>;

/** An mTLS connection of the caller. */
async function connected(world: World, port: number, rest: TlsChoice = {}): Promise<TLSSocket> {
  const socket = connect({
    ...secureContextOptions(),
    ...rest,
    secureOptions: 0,
    cert: caller.certPem,
    key: caller.keyPem,
    rejectUnauthorized: false,
    host: '127.0.0.1',
    port,
  });
  world.add(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  return socket;
}

/** What arrives on a connection of the caller until it ends. */
async function say(world: World, port: number, text: string, rest: TlsChoice = {}): Promise<string> {
  const socket = await connected(world, port, rest);
  let heard = '';
  socket.on('data', (part: Buffer) => {
    heard += part.toString('latin1');
  });
  socket.write(text);
  if (!socket.closed) await once(socket, 'close');
  return heard;
}

const PLAIN = 'GET /honest HTTP/1.1\r\nhost: info\r\nconnection: close\r\n\r\n';

describe('Sidecar and hostile clients', () => {
  it.each(
    hostileToTls(Buffer.alloc(200)).map(([what]) => what),
  )('a client that %s is disconnected in time without a byte of ours, and other clients do not notice', async (what) => {
    await using world = new World();
    const { port, seen, sockets, metrics } = await called(world);
    const client = hostileToTls(hello).find(([each]) => each === what)?.[1] as HostileClient;
    sockets.push(...(await swarm(SWARM, client, port)));
    expect(await say(world, port, PLAIN)).toContain('from the workload');
    for (const socket of sockets) socket.resume();
    const isGone = ({ closed, readableEnded }: Socket) => closed || readableEnded;
    await expect.poll(() => sockets.filter(isGone).length).toBe(SWARM);
    expect(await say(world, port, PLAIN)).toContain('from the workload');
    expect(seen).toHaveLength(2);
    expect(world.log.records.filter(({ level }) => level === 'error')).toEqual([]);
    // Each is counted, by what stood in the way.
    expect(await metrics.render()).toMatch(/inbound",outcome="(?!accepted)/);
  });

  it('a verified caller without a request does not delay the stop', async () => {
    await using world = new World();
    const { port, sidecar } = await called(world, { drainMs: 60_000 });
    const silent = await connected(world, port);
    await expect.poll(() => world.log.records.some(({ fields }) => fields['code'] === 'accepted')).toBe(true);
    const ended = once(silent.resume(), 'close');
    await sidecar.stop();
    await ended;
    expect(silent.closed).toBe(true);
  });

  it('handshakes that are only held open give way to honest ones', async () => {
    await using world = new World();
    const { port, sockets } = await called(world, { handshakeMs: 20_000 });
    sockets.push(...(await swarm(600, plug, port)));
    expect(await say(world, port, PLAIN)).toContain('from the workload');
    const given = () =>
      world.log.records.filter(({ fields }) => fields['code'] === 'too-many-handshakes').length;
    await expect.poll(given).toBeGreaterThanOrEqual(88);
    expect(world.log.records.filter(({ fields }) => fields['code'] === 'handshake-failed')).toEqual([]);
  });

  it.each([
    ['two lengths', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\ncontent-length: 44\r\n\r\n'],
    [
      'a length and chunks',
      'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['chunks by another name', 'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n'],
    [
      'chunks and something else',
      'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n',
    ],
    [
      'a space before the colon',
      'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a folded header', 'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n'],
    ['a bare line feed in a header', 'POST / HTTP/1.1\r\nhost: x\r\nx: a\nfoo: b\r\n\r\n'],
    [
      'a sign in a chunk length',
      'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n',
    ],
  ])('a request with %s smuggles none behind it', async (_what, text) => {
    await using world = new World();
    const { port, seen } = await called(world);
    await say(world, port, `${text}GET /smuggled HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
    expect(await say(world, port, PLAIN)).toContain('from the workload');
    expect(seen.map(({ url }) => url)).not.toContain('/smuggled');
  });

  it.each([
    'x-forwarded-client-cert: URI=spiffe://a.example/king',
    'X-Forwarded-Client-Cert: URI=spiffe://a.example/king',
    'x_forwarded_client_cert: URI=spiffe://a.example/king',
    'x-forwarded_client-cert: URI=spiffe://a.example/king',
    'x-forwarded-client-cert: URI=spiffe://a.example/king\r\nX-FORWARDED-CLIENT-CERT: URI=spiffe://a.example/queen',
    'connection: x-forwarded-client-cert\r\nx-forwarded-client-cert: URI=spiffe://a.example/king',
  ])('an identity that the caller claims is not passed on: %j', async (header) => {
    await using world = new World();
    const { port, seen } = await called(world);
    const answer = await say(
      world,
      port,
      `GET / HTTP/1.1\r\nhost: x\r\n${header}\r\nconnection: close\r\n\r\n`,
    );
    expect(answer).toContain('from the workload');
    const claims = Object.entries(seen[0]?.headers ?? {}).filter(([, value]) =>
      /king|queen/.test(String(value)),
    );
    expect(claims).toEqual([]);
    expect(seen[0]?.headers['x-forwarded-client-cert']).toContain(`URI=${caller.id}`);
  });

  it.each([
    ['a tunnel', 'CONNECT other.example:443 HTTP/1.1\r\nhost: other.example\r\n\r\n'],
    [
      'the whole URL of another server',
      'GET http://other.example/ HTTP/1.1\r\nhost: other.example\r\nconnection: close\r\n\r\n',
    ],
    ['an upgrade', 'GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n'],
  ])('%s leads to the workload or nowhere', async (_what, text) => {
    await using world = new World();
    const { port, seen } = await called(world);
    const answer = await say(world, port, text);
    expect(answer.split('from the workload').length - 1).toBe(seen.length);
    expect(seen.map(({ headers }) => headers['upgrade']).filter(Boolean)).toEqual([]);
  });

  it.each([
    'TLSv1.2',
    'TLSv1.3',
  ] as const)('gives nothing that could resume a %s session, so that no root outlives its removal (FED-42)', async (version) => {
    await using world = new World();
    const { port, give } = await called(world);
    const first = await connected(world, port, { minVersion: version, maxVersion: version });
    const tickets: Buffer[] = [];
    first.on('session', (session: Buffer) => tickets.push(session));
    first.on('data', () => {});
    first.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    await once(first, 'data');
    const session = tickets.at(-1) ?? first.getSession();
    const versions = { minVersion: version, maxVersion: version, ...(session ? { session } : {}) };
    const second = await connected(world, port, versions);
    expect(second.isSessionReused()).toBe(false);
    await give(perDomain(b.bundle()));
    // The client may see a refusal as the end of its handshake or, later, of its connection.
    await expect(say(world, port, PLAIN, versions).catch(() => '')).resolves.toBe('');
    expect(world.log.records.some(({ fields }) => fields['code'] === 'no-bundle')).toBe(true);
  });
});
