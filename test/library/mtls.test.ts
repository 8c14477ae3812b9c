import { once } from 'node:events';
import { get } from 'node:https';
import { connect } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { Agent, fetch as undiciFetch, request } from 'undici';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  authorizeAny,
  authorizeId,
  authorizeMemberOf,
  authorizeOneOf,
  type Authorize,
  connectTls,
  createConnector,
  createHttpsAgent,
  createHttpsServer,
  createTlsServer,
  type MtlsClientOptions,
  type MtlsServerOptions,
  parseSpiffeId,
  parseTrustDomain,
  peerOf,
  type RefusedConnection,
  type Svid,
} from '../../src/library/spiffe.ts';
import { tlsIdentity } from '../../src/mtls/index.ts';
import { ChangingSvid } from '../../testkit/changing-svid.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa, type TestCa } from '../../testkit/test-ca.ts';
import { until } from '../../testkit/until.ts';
import { Opened } from '../mtls/support.ts';
import { portOf, svidOf, trustOf } from './support.ts';

let a: TestCa;
let b: TestCa;
let client: Svid;
let server: Svid;
/** Says it is of A, and is signed by the root of B, which is trusted for B. */
let forged: Svid;
beforeAll(async () => {
  a = await createTestCa({ trustDomain: 'a.example' });
  b = await createTestCa({ trustDomain: 'b.example' });
  client = svidOf(await (await a.issueIntermediate()).issueLeaf({ path: '/client' }));
  server = svidOf(await b.issueLeaf({ path: '/server' }));
  forged = svidOf(await b.issueLeaf({ uriSans: ['spiffe://a.example/client'] }));
});

const serverId = parseSpiffeId('spiffe://b.example/server');

/** Calls `https://127.0.0.1:port/` in one of the ways that Node programs have; the body of the answer. */
const CLIENTS: readonly [string, (port: number, options: MtlsClientOptions) => Promise<string>][] = [
  [
    'node:https',
    async (port, options) => {
      const agent = createHttpsAgent(options);
      try {
        return await new Promise((resolve, reject) => {
          get({ host: '127.0.0.1', port, agent }, (response) => {
            expect(peerOf(response.socket).id).toBe(serverId);
            response.setEncoding('utf8').once('data', resolve);
          }).once('error', reject);
        });
      } finally {
        agent.destroy();
      }
    },
  ],
  [
    'undici',
    async (port, options) => {
      const dispatcher = new Agent({ connect: createConnector(options) });
      try {
        return await (await request(`https://127.0.0.1:${port}/`, { dispatcher })).body.text();
      } finally {
        await dispatcher.destroy();
      }
    },
  ],
  [
    'fetch',
    async (port, options) => {
      const dispatcher = new Agent({ connect: createConnector(options) });
      try {
        return await (await undiciFetch(`https://127.0.0.1:${port}/`, { dispatcher })).text();
      } catch (error) {
        throw (error as Error).cause;
      } finally {
        await dispatcher.destroy();
      }
    },
  ],
  [
    'node:tls',
    async (port, options) => {
      const { socket, peer } = await connectTls({ host: '127.0.0.1', port, ...options });
      expect([peer.id, peerOf(socket)]).toEqual([serverId, peer]);
      socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
      let text = '';
      for await (const chunk of socket) text += String(chunk);
      if (text === '') throw new Error('ended before the first byte');
      return text.slice(text.indexOf('\r\n\r\n') + 4).replaceAll(/^\w+\r\n|\r\n.*/g, '');
    },
  ],
];

/** An HTTPS server that greets each client by its ID, with the IDs it greeted and the connections it refused. */
async function greeter(world: Opened, options: Partial<MtlsServerOptions> = {}) {
  const greeted: string[] = [];
  const refused: RefusedConnection[] = [];
  const trust = trustOf(a.bundle(), b.bundle());
  const started = createHttpsServer(
    {
      svid: server,
      authorize: authorizeAny(),
      ...trust,
      onRefused: (refusal) => refused.push(refusal),
      ...options,
    },
    (incoming, response) => {
      const { id } = peerOf(incoming.socket);
      greeted.push(id);
      response.setHeader('content-length', id.length).end(id);
    },
  );
  const port = await portOf(started);
  world.add(() => {
    started.closeAllConnections();
    started.close();
  });
  return { port, greeted, refused, started, ...trust };
}

const asClient = (svid: Svid | undefined, authorize: Authorize = authorizeId(serverId)) => ({
  ...(svid ? { svid } : {}),
  ...trustOf(a.bundle(), b.bundle()),
  authorize,
});

describe.each(CLIENTS)('a client with %s and createHttpsServer()', (_name, call) => {
  it('prove each other, and the handler learns the ID of its client', async () => {
    await using world = new Opened();
    const { port, greeted } = await greeter(world, { authorize: authorizeId(client.id) });
    expect(await call(port, asClient(client))).toBe('spiffe://a.example/client');
    expect(greeted).toEqual(['spiffe://a.example/client']);
  });

  it('refuse a server with another ID, and send it no request', async () => {
    await using world = new Opened();
    const { port, greeted } = await greeter(world);
    const other = authorizeId(parseSpiffeId('spiffe://b.example/other'));
    await expect(call(port, asClient(client, other))).rejects.toMatchObject({ code: 'peer-not-authorized' });
    expect(greeted).toEqual([]);
  });

  it('refuse a server that the root of another trust domain signed (X509-20)', async () => {
    await using world = new Opened();
    const { port, greeted } = await greeter(world, { svid: forged });
    await expect(call(port, asClient(client, authorizeAny()))).rejects.toMatchObject({
      code: 'path-refused',
    });
    expect(greeted).toEqual([]);
  });

  it('refuse a server of a trust domain without a bundle (X509-23)', async () => {
    await using world = new Opened();
    const { port } = await greeter(world);
    const options = { ...asClient(client), ...trustOf(a.bundle()) };
    await expect(call(port, options)).rejects.toMatchObject({ code: 'no-bundle' });
  });

  it.each([
    ['without an SVID', (): Svid | undefined => undefined, 'no-certificate'],
    ['signed by the root of another trust domain', () => forged, 'path-refused'],
    ['with an ID that is not admitted', () => client, 'peer-not-authorized'],
  ] as const)('refuse a client %s before its request is handled (X509-43)', async (_what, svid, code) => {
    await using world = new Opened();
    const { port, greeted, refused } = await greeter(world, {
      authorize: authorizeId(parseSpiffeId('spiffe://a.example/someone')),
    });
    await expect(call(port, asClient(svid()))).rejects.toBeInstanceOf(Error);
    expect(greeted).toEqual([]);
    expect(refused).toMatchObject([{ code }]);
  });
});

describe('an authorizer that returns a value', () => {
  const WRONG: readonly [string, Authorize][] = [
    ['a promise that rejects', async () => Promise.reject(new Error('too late'))],
    ['a promise', async () => {}],
    ['false', () => false],
    ['true', () => true],
  ];

  it.each(WRONG)('admits nobody at a server: %s (X509-43)', async (_what, authorize) => {
    await using world = new Opened();
    const { port, greeted, refused } = await greeter(world, { authorize });
    await expect(CLIENTS[0]?.[1](port, asClient(client))).rejects.toBeInstanceOf(Error);
    expect(greeted).toEqual([]);
    expect(refused).toMatchObject([
      { code: 'internal', message: expect.stringContaining('returned a value') },
    ]);
  });

  it.each(WRONG)('admits no server: %s (X509-43)', async (_what, authorize) => {
    await using world = new Opened();
    const { port, greeted } = await greeter(world);
    await expect(CLIENTS[0]?.[1](port, asClient(client, authorize))).rejects.toBeInstanceOf(TypeError);
    expect(greeted).toEqual([]);
  });
});

describe('a client at a Unix socket', () => {
  it('proves the server as everywhere else', async () => {
    await using world = new Opened();
    using folder = tempDir();
    const path = folder.file('server.sock');
    const listening = createHttpsServer(
      { svid: server, authorize: authorizeAny(), ...trustOf(a.bundle(), b.bundle()) },
      (incoming, response) => response.end(peerOf(incoming.socket).id),
    );
    world.add(() => listening.close());
    await once(listening.listen(path), 'listening');
    const call = async (options: MtlsClientOptions): Promise<string[]> => {
      const agent = createHttpsAgent(options);
      const dispatcher = new Agent({ connect: createConnector(options), socketPath: path });
      world.add(() => agent.destroy());
      world.add(() => dispatcher.destroy());
      const overHttps = await new Promise<string>((resolve, reject) => {
        get({ socketPath: path, agent }, (response) => {
          response.setEncoding('utf8').once('data', resolve);
        }).once('error', reject);
      });
      return [overHttps, await (await request('https://server/', { dispatcher })).body.text()];
    };
    expect(await call(asClient(client))).toEqual([client.id, client.id]);
    const other = authorizeId(parseSpiffeId('spiffe://b.example/other'));
    await expect(call(asClient(client, other))).rejects.toMatchObject({ code: 'peer-not-authorized' });
    const gone = createHttpsAgent(asClient(client));
    const failing = new Promise((_, reject) => {
      get({ socketPath: folder.file('none.sock'), agent: gone }).once('error', reject);
    });
    await expect(failing).rejects.toMatchObject({ code: expect.stringMatching(/-failed$/) });
  });
});

describe('createTlsServer()', () => {
  it('gives its listener the socket and the peer, and no listener gets a refused client, not even one put in front', async () => {
    await using world = new Opened();
    const seen: string[] = [];
    const trust = trustOf(a.bundle(), b.bundle());
    const tls = createTlsServer({ svid: server, authorize: authorizeAny(), ...trust }, (socket, peer) => {
      seen.push(`listener ${peer.id} ${socket.authorized}`);
      socket.end('hello');
    });
    tls.prependListener('secureConnection', () => seen.push('in front'));
    world.add(() => tls.close());
    const port = await portOf(tls);
    const { received } = await world.rawClient(port, pemOf(forged), 'a request');
    expect([received, seen]).toEqual(['', []]);
    const { socket } = await connectTls({ host: '127.0.0.1', port, ...asClient(client) });
    expect(String((await once(socket, 'data'))[0])).toBe('hello');
    expect(seen).toEqual(['in front', 'listener spiffe://a.example/client true']);
  });

  it.each([
    'TLSv1.2',
    'TLSv1.3',
  ] as const)('gives no session that could be resumed in %s (FED-42)', async (maxVersion) => {
    await using world = new Opened();
    const trust = trustOf(a.bundle(), b.bundle());
    const tls = createTlsServer({ svid: server, authorize: authorizeAny(), ...trust }, (socket) =>
      socket.end('hello'),
    );
    world.add(() => tls.close());
    const port = await portOf(tls);
    const first = await world.rawClient(port, { ...pemOf(client), maxVersion });
    expect(first.received).toBe('hello');
    const again = await Promise.all(
      first.sessions.map((session) => world.rawClient(port, { ...pemOf(client), maxVersion, session })),
    );
    expect(again.filter(({ reused }) => reused)).toEqual([]);
  });

  it('shows a renewed SVID to new clients, and closes new connections while it has none', async () => {
    await using world = new Opened();
    const svid = new ChangingSvid(server);
    const { port, refused } = await greeter(world, { svid });
    const call = CLIENTS[0]?.[1];
    expect(await call?.(port, asClient(client))).toBe(client.id);
    const renewed = svidOf(await b.issueLeaf({ path: '/renewed' }));
    svid.change(renewed);
    const dialed = await connectTls({ host: '127.0.0.1', port, ...asClient(client, authorizeAny()) });
    expect(dialed.peer.id).toBe(renewed.id);
    dialed.socket.destroy();
    svid.change(undefined);
    await expect(call?.(port, asClient(client))).rejects.toBeInstanceOf(Error);
    expect(refused).toContainEqual(expect.objectContaining({ code: 'no-svid' }));
  });

  it('keeps its SVID when the new one cannot be presented, and does not disturb the source', async () => {
    await using world = new Opened();
    const svid = new ChangingSvid(server);
    const { port, refused } = await greeter(world, { svid });
    svid.change({ ...server, privateKey: client.privateKey });
    expect(refused).toMatchObject([{ code: 'svid-invalid', remote: undefined }]);
    expect(await CLIENTS[0]?.[1](port, asClient(client))).toBe(client.id);
  });

  it('closes the oldest handshake where too many are under way', async () => {
    await using world = new Opened();
    const { port, refused } = await greeter(world, { maxPendingHandshakes: 1 });
    const silent = connect(port, '127.0.0.1');
    silent.on('error', () => {});
    world.add(() => silent.destroy());
    await once(silent, 'connect');
    const call = CLIENTS[0]?.[1];
    await until(async () => (await call?.(port, asClient(client))) === client.id, 'an answer');
    expect(refused.map(({ code }) => code)).toContain('too-many-handshakes');
  });
});

describe('an open connection', () => {
  it('ends at both sides when the bundle of its peer no longer proves it (FED-61)', async () => {
    await using world = new Opened();
    const { port, bundles } = await greeter(world);
    const own = asClient(client);
    const first = await connectTls({ host: '127.0.0.1', port, ...own });
    const second = await connectTls({ host: '127.0.0.1', port, ...own });
    const closed = [once(first.socket, 'close'), once(second.socket, 'close')];
    own.bundles.set((await createTestCa({ trustDomain: 'c.example' })).bundle());
    expect([first.socket.destroyed, second.socket.destroyed]).toEqual([false, false]);
    bundles.delete(a.trustDomain);
    await Promise.all(closed);
    bundles.set(a.bundle());
    const third = await connectTls({ host: '127.0.0.1', port, ...own });
    const gone = once(third.socket, 'close');
    own.bundles.delete(b.trustDomain);
    await gone;
  });

  it('ends with the SVID of its peer', async () => {
    await using world = new Opened();
    const { port } = await greeter(world);
    const own = asClient(client);
    const { socket, peer } = await connectTls({ host: '127.0.0.1', port, ...own });
    const closed = once(socket, 'close');
    await own.clock.advance(peer.notAfter.getTime() - own.clock.now().getTime() - 1);
    expect(socket.destroyed).toBe(false);
    await own.clock.advance(1);
    await closed;
  });
});

describe('authorizers', () => {
  const admitted = (authorize: Authorize, id: string) => {
    const peer = { id: parseSpiffeId(id), trustDomain: parseTrustDomain(id.split('/')[2] ?? '') };
    try {
      authorize({
        ...peer,
        anchorFingerprint: '',
        leafFingerprint: '',
        bundleDigest: '',
        notAfter: new Date(0),
        chain: [],
      });
      return 'admitted';
    } catch (error) {
      return (error as Error).message;
    }
  };
  const [one, two] = [parseSpiffeId('spiffe://a.example/one'), parseSpiffeId('spiffe://a.example/two')];

  it.each([
    ['authorizeAny()', authorizeAny(), 'spiffe://x.example/y', 'admitted'],
    ['authorizeId()', authorizeId(one), 'spiffe://a.example/one', 'admitted'],
    [
      'authorizeId()',
      authorizeId(one),
      'spiffe://a.example/one/more',
      'the peer is spiffe://a.example/one/more, admitted is spiffe://a.example/one',
    ],
    ['authorizeOneOf()', authorizeOneOf([one, two]), 'spiffe://a.example/two', 'admitted'],
    [
      'authorizeOneOf()',
      authorizeOneOf([one, two]),
      'spiffe://a.example/three',
      'the peer is spiffe://a.example/three, admitted is spiffe://a.example/one or spiffe://a.example/two',
    ],
    [
      'authorizeOneOf() without IDs',
      authorizeOneOf([]),
      'spiffe://a.example/one',
      'the peer is spiffe://a.example/one, admitted is nobody',
    ],
    [
      'authorizeMemberOf()',
      authorizeMemberOf(parseTrustDomain('a.example')),
      'spiffe://a.example/one',
      'admitted',
    ],
    [
      'authorizeMemberOf()',
      authorizeMemberOf(parseTrustDomain('a.example')),
      'spiffe://b.a.example/one',
      'the peer is spiffe://b.a.example/one, admitted are members of trust domain a.example',
    ],
  ])('%s', (_name, authorize, id, expected) => {
    expect(admitted(authorize, id)).toBe(expected);
  });
});

describe('peerOf()', () => {
  it('refuses what no helper has proved', () => {
    expect(() => peerOf({})).toThrow(TypeError);
  });
});

const pemOf = (svid: Svid): ConnectionOptions => tlsIdentity(svid);
