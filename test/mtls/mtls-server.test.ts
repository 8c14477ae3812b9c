import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { connect } from 'node:tls';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  closedBeforeFirstByte,
  MtlsError,
  type PeerVerifier,
  refusalFields,
  type RefusedPeer,
  secureContextOptions,
} from '../../src/mtls/index.ts';
import { CodedError, parseCertificate } from '../../src/spiffe/index.ts';
import { createTestCa, type TestCa } from '../../testkit/test-ca.ts';
import { HeldSvid, Opened, readAll, type TestLeaf, trusting } from './support.ts';

let a: TestCa;
let b: TestCa;
let client: TestLeaf;
let server: TestLeaf;
beforeAll(async () => {
  a = await createTestCa({ trustDomain: 'a.example' });
  b = await createTestCa({ trustDomain: 'b.example' });
  client = await (await a.issueIntermediate()).issueLeaf({ path: '/client' });
  server = await b.issueLeaf({ path: '/server' });
});

/** A leaf that says it is of trust domain A, signed by B's root, which is trusted for B. */
const forgedByB = () => b.issueLeaf({ uriSans: ['spiffe://a.example/client'] });
const shown = (leaf: TestLeaf) => ({ cert: leaf.certPem, key: leaf.keyPem });

describe('MtlsServer and connectMtls()', () => {
  it('prove each other and hand over a connection that carries bytes both ways, by the chain as it was sent (X509-39)', async () => {
    await using world = new Opened();
    const { verifier } = trusting(a.bundle(), b.bundle());
    const { accepted, port } = await world.server({ svid: new HeldSvid(server), verifier });
    const { socket, peer } = await world.dial({ port, verifier, svid: new HeldSvid(client) });
    expect((await once(socket, 'data'))[0].toString()).toBe('hello');
    expect(closedBeforeFirstByte(socket, peer)).toBeUndefined();
    expect(peer).toMatchObject({ id: server.id, anchorFingerprint: b.authority.fingerprint });
    expect(accepted[0]?.peer).toMatchObject({ id: client.id, anchorFingerprint: a.authority.fingerprint });
    expect(accepted[0]?.peer.chain).toEqual(client.chain.map((der) => Buffer.from(der)));
  });

  it('go by the certificate whose key the handshake proved, not by a genuine one behind it (X509-39)', async () => {
    await using world = new Opened();
    const { verifier } = trusting(a.bundle(), b.bundle());
    const { accepted, port } = await world.server({ svid: new HeldSvid(server), verifier });
    expect((await world.rawClient(port, shown(client))).received).toBe('hello');
    const forged = await forgedByB();
    const borrowed = { cert: forged.certPem + client.certPem, key: forged.keyPem };
    expect((await world.rawClient(port, borrowed, 'GET / HTTP/1.1')).received).toBe('');
    expect(accepted).toHaveLength(1);
  });

  it.each([
    'TLSv1.2',
    'TLSv1.3',
  ] as const)('refuse an ID of A signed by the root of B in %s, with no byte for the forger (X509-20, X509-43)', async (maxVersion) => {
    await using world = new Opened();
    const { verifier } = trusting(a.bundle(), b.bundle());
    const { accepted, refused, port } = await world.server({ svid: new HeldSvid(server), verifier });
    expect((await world.rawClient(port, { ...shown(client), maxVersion })).received).toBe('hello');
    const forged = await forgedByB();
    const forger = await world.rawClient(port, { ...shown(forged), maxVersion }, 'GET / HTTP/1.1');
    expect(forger.received).toBe('');
    expect(accepted).toHaveLength(1);
    const leafFingerprint = parseCertificate(forged.chain[0] ?? new Uint8Array()).fingerprint;
    expect(refused).toMatchObject([
      { code: 'path-refused', claimedId: 'spiffe://a.example/client', leafFingerprint },
    ]);
  });

  it('give a refused server no byte of ours (X509-43)', async () => {
    await using world = new Opened();
    const { verifier } = trusting(a.bundle(), b.bundle());
    const heard: Promise<string>[] = [];
    const honest = await world.rawServer(shown(client), (socket) => heard.push(readAll(socket)));
    const { socket } = await world.dial({ port: honest, verifier });
    socket.end('a request');
    const forger = await world.rawServer(shown(await forgedByB()), (each) => {
      each.write('poison');
      heard.push(readAll(each));
    });
    await expect(world.dial({ port: forger, verifier })).rejects.toMatchObject({ code: 'path-refused' });
    // The forger may not even have seen the end of the handshake when we are gone.
    expect((await Promise.all(heard)).join('')).toBe('a request');
  });

  it('refuse a client without certificate (X509-42)', async () => {
    await using world = new Opened();
    const { verifier } = trusting(a.bundle(), b.bundle());
    const { refused, port } = await world.server({ svid: new HeldSvid(server), verifier });
    const { socket, peer } = await world.dial({ port, verifier });
    expect(await readAll(socket)).toBe('');
    expect(closedBeforeFirstByte(socket, peer)).toMatchObject({ code: 'peer-closed-before-first-byte' });
    expect(refused).toMatchObject([{ code: 'no-certificate' }]);
  });

  it('tell one who is proved but not admitted from one who is not proved (X509-40)', async () => {
    await using world = new Opened();
    const { verifier } = trusting(a.bundle(), b.bundle());
    const authorize = () => {
      throw new MtlsError('peer-not-authorized', 'not on the list');
    };
    const { refused, port } = await world.server({ svid: new HeldSvid(server), verifier, authorize });
    const { socket } = await world.dial({ port, verifier, svid: new HeldSvid(client) });
    expect(await readAll(socket)).toBe('');
    expect(refused).toMatchObject([{ code: 'peer-not-authorized', peer: { id: client.id } }]);
    await expect(world.dial({ port, verifier, authorize })).rejects.toMatchObject({
      code: 'peer-not-authorized',
    });
  });

  it.each([
    'TLSv1.2',
    'TLSv1.3',
  ] as const)('resume nothing in %s, so that a removed root is gone for those who were there before (FED-42)', async (maxVersion) => {
    await using world = new Opened();
    const { verifier, bundles } = trusting(a.bundle(), b.bundle());
    const { accepted, refused, port } = await world.server({ svid: new HeldSvid(server), verifier });
    const first = await world.rawClient(port, { ...shown(client), maxVersion });
    const session = first.sessions.at(-1);
    const again = await world.rawClient(port, {
      ...shown(client),
      maxVersion,
      ...(session ? { session } : {}),
    });
    expect(again).toMatchObject({ received: 'hello', reused: false });
    expect(accepted).toHaveLength(2);
    bundles.delete(a.trustDomain);
    const late = await world.rawClient(port, {
      ...shown(client),
      maxVersion,
      ...(session ? { session } : {}),
    });
    expect(late.received).toBe('');
    expect(refused).toMatchObject([{ code: 'no-bundle', claimedId: client.id }]);
  });

  it('never offer a session to a server that would resume it (FED-42)', async () => {
    await using world = new Opened();
    const { verifier } = trusting(a.bundle(), b.bundle());
    const resumed: boolean[] = [];
    const port = await world.rawServer({ ...shown(server), secureOptions: 0 }, (socket) => {
      resumed.push(socket.isSessionReused());
      socket.end('hello');
    });
    for (let turn = 0; turn < 2; turn += 1) {
      const { socket } = await world.dial({ port, verifier });
      expect(await readAll(socket)).toBe('hello');
    }
    expect(resumed).toEqual([false, false]);
  });

  it('look at 8 certificates and no more (X509-37)', async () => {
    await using world = new Opened();
    const { verifier } = trusting(a.bundle(), b.bundle());
    const { refused, port } = await world.server({ svid: new HeldSvid(server), verifier });
    const surplus = (count: number) => ({
      ...client,
      certPem: client.certPem + server.certPem.repeat(count),
    });
    expect((await world.rawClient(port, shown(surplus(6)))).received).toBe('hello');
    expect((await world.rawClient(port, shown(surplus(7)))).received).toBe('');
    expect(refused).toMatchObject([{ code: 'chain-too-long' }]);
  });

  it('swap the SVID without touching open connections, keeping the TLS profile', async () => {
    await using world = new Opened();
    const { verifier } = trusting(a.bundle(), b.bundle());
    const svid = new HeldSvid(server);
    const { accepted, refused, port } = await world.server({ svid, verifier });
    const before = await world.dial({ port, verifier, svid: new HeldSvid(client) });
    await once(before.socket, 'data');
    svid.swap(await b.issueLeaf({ path: '/renewed' }));
    const after = await world.dial({ port, verifier, svid: new HeldSvid(client) });
    expect([before.peer.id, after.peer.id]).toEqual([server.id, 'spiffe://b.example/renewed']);
    accepted[0]?.socket.write('still here');
    expect((await once(before.socket, 'data'))[0].toString()).toBe('still here');
    const old = {
      ...shown(client),
      minVersion: 'TLSv1.1',
      maxVersion: 'TLSv1.1',
      ciphers: 'ALL:@SECLEVEL=0',
    } as const;
    expect((await world.rawClient(port, old)).received).toBe('');
    expect(refused.at(-1)?.code).toBe('handshake-failed');
  });

  it.each([
    ['AES128-GCM-SHA256', ''],
    ['ECDHE-RSA-AES128-SHA', ''],
    ['ECDHE-ECDSA-AES256-SHA384', ''],
    ['ECDHE-ECDSA-AES128-GCM-SHA256', 'hello'],
    ['ECDHE-ECDSA-CHACHA20-POLY1305', 'hello'],
  ])('speak TLS 1.2 with forward-secret AEAD suites only: %s (FED-15)', async (ciphers, received) => {
    await using world = new Opened();
    const { verifier } = trusting(a.bundle(), b.bundle());
    const { port } = await world.server({ svid: new HeldSvid(server), verifier });
    expect((await world.rawClient(port, { ...shown(client), ciphers, maxVersion: 'TLSv1.2' })).received).toBe(
      received,
    );
  });

  it('go on after a fault of the verifier, and close that connection', async () => {
    await using world = new Opened();
    const { verifier } = trusting(a.bundle(), b.bundle());
    let faulty = true;
    const verifierWithFault: PeerVerifier = {
      verify: (chain, role) => {
        if (!faulty) return verifier.verify(chain, role);
        faulty = false;
        throw new TypeError('a fault');
      },
    };
    const { refused, port } = await world.server({ svid: new HeldSvid(server), verifier: verifierWithFault });
    expect((await world.rawClient(port, shown(client))).received).toBe('');
    expect((await world.rawClient(port, shown(client))).received).toBe('hello');
    expect(refused).toMatchObject([{ code: 'internal' }]);
  });
});

describe('MtlsServer', () => {
  it('closes connections while it has no SVID, and serves as soon as it has one', async () => {
    await using world = new Opened();
    const { verifier } = trusting(a.bundle(), b.bundle());
    const svid = new HeldSvid();
    const { server: tls, refused, port } = await world.server({ svid, verifier });
    expect(tls.ready).toBe(false);
    await expect(world.dial({ port, verifier })).rejects.toMatchObject({ code: 'handshake-failed' });
    svid.swap(server);
    expect((await world.rawClient(port, shown(client))).received).toBe('hello');
    expect(refused).toMatchObject([{ code: 'no-svid' }]);
  });

  it('shows no SVID any more that was taken back or has expired, and serves again with the next (WLAPI-24)', async () => {
    await using world = new Opened();
    const { verifier } = trusting(a.bundle(), b.bundle());
    const svid = new HeldSvid(server);
    const { server: tls, port } = await world.server({ svid, verifier });
    expect((await world.rawClient(port, shown(client))).received).toBe('hello');
    svid.swap(undefined);
    expect(tls.ready).toBe(false);
    await expect(world.dial({ port, verifier })).rejects.toMatchObject({ code: 'handshake-failed' });
    svid.swap(server);
    expect((await world.rawClient(port, shown(client))).received).toBe('hello');
  });

  it('negotiates once: a client of TLS 1.2 that wants to begin again is refused', async () => {
    await using world = new Opened();
    const { verifier } = trusting(a.bundle(), b.bundle());
    const { port } = await world.server({ svid: new HeldSvid(server), verifier });
    const socket = connect({
      ...secureContextOptions(),
      ...shown(client),
      secureOptions: 0,
      maxVersion: 'TLSv1.2',
      rejectUnauthorized: false,
      host: '127.0.0.1',
      port,
    });
    world.add(() => socket.destroy());
    const refused = new Promise((resolve) => socket.on('error', resolve));
    await once(socket, 'secureConnect');
    const asked = new Promise((resolve) => socket.renegotiate({ rejectUnauthorized: false }, resolve));
    expect(await Promise.race([refused, asked])).toMatchObject({
      code: expect.stringMatching(/RENEGOTIATION/),
    });
  });

  it('waits for a bounded number of handshakes, each for a bounded time, and gives up the oldest for a newcomer', async () => {
    await using world = new Opened();
    const { verifier } = trusting(a.bundle(), b.bundle());
    const limits = { maxPendingHandshakes: 1, handshakeTimeoutMs: 200 };
    const { refused, port } = await world.server({ svid: new HeldSvid(server), verifier, ...limits });
    const silent = connectTcp(port, '127.0.0.1');
    world.add(() => silent.destroy());
    silent.on('error', () => {});
    await once(silent, 'connect');
    const given = once(silent.resume(), 'close');
    expect((await world.rawClient(port, shown(client))).received).toBe('hello');
    await given;
    const late = connectTcp(port, '127.0.0.1');
    world.add(() => late.destroy());
    late.on('error', () => {});
    await once(late.resume(), 'close');
    expect(refused.map(({ code, remote }) => [code, remote])).toEqual([
      ['too-many-handshakes', '127.0.0.1'],
      ['handshake-timeout', '127.0.0.1'],
    ]);
  });

  it('says that the port is in use', async () => {
    await using world = new Opened();
    const { verifier } = trusting(a.bundle());
    const { port } = await world.server({ svid: new HeldSvid(server), verifier });
    const second = await world.server({ svid: new HeldSvid(server), verifier });
    await second.server.close(0);
    await expect(second.server.listen(port, '127.0.0.1')).rejects.toMatchObject({ code: 'port-in-use' });
  });

  it('ends by itself although a client never finishes its handshake', async () => {
    await using world = new Opened();
    const { verifier } = trusting(a.bundle());
    const { server: tls, port } = await world.server({
      svid: new HeldSvid(server),
      verifier,
      handshakeTimeoutMs: 60_000,
    });
    const silent = connectTcp(port, '127.0.0.1').on('error', () => {});
    world.add(() => silent.destroy());
    await once(silent, 'connect');
    await expect(tls.close(10)).resolves.toBeUndefined();
  });
});

describe('MtlsServer.close()', () => {
  it('does not wait for a client in its handshake, but for one that is proved', async () => {
    await using world = new Opened();
    const { verifier } = trusting(a.bundle(), b.bundle());
    const opened = await world.server({ svid: new HeldSvid(server), verifier });
    const { socket } = await world.dial({ port: opened.port, verifier, svid: new HeldSvid(client) });
    const silent = connectTcp(opened.port, '127.0.0.1');
    silent.on('error', () => {});
    await once(silent, 'connect');
    // So that the server has begun with it.
    await world
      .dial({ port: opened.port, verifier, svid: new HeldSvid(client) })
      .then((other) => other.socket.destroy());
    let closed = false;
    // The grace is longer than any test may take.
    const closing = opened.server.close(3_600_000).then(() => {
      closed = true;
    });
    await once(silent, 'close');
    expect([closed, socket.destroyed]).toEqual([false, false]);
    socket.destroy();
    await closing;
  });
});

describe('connectMtls()', () => {
  it('tells whom it refused before it rejects: the leaf, proved or not, and the ID', async () => {
    await using world = new Opened();
    const { verifier } = trusting(a.bundle(), b.bundle());
    const refused: RefusedPeer[] = [];
    const onRefused = (peer: RefusedPeer) => void refused.push(peer);
    const forged = await forgedByB();
    const leafOf = ({ chain }: TestLeaf) => parseCertificate(chain[0] ?? new Uint8Array()).fingerprint;
    const at = (leaf: TestLeaf) => world.rawServer(shown(leaf), () => {});
    await world.dial({ port: await at(client), verifier, onRefused });
    expect(refused).toEqual([]);
    const forger = world.dial({ port: await at(forged), verifier, onRefused });
    await expect(forger).rejects.toMatchObject({ code: 'path-refused' });
    const authorize = () => {
      throw new CodedError('not-listed', 'it is not on the list');
    };
    const stranger = world.dial({ port: await at(client), verifier, onRefused, authorize });
    await expect(stranger).rejects.toMatchObject({ code: 'not-listed' });
    expect(refused).toMatchObject([
      { code: 'path-refused', claimedId: 'spiffe://a.example/client', leafFingerprint: leafOf(forged) },
      { code: 'not-listed', peer: { id: client.id }, leafFingerprint: leafOf(client) },
    ]);
    expect(refused[0]?.peer).toBeUndefined();
    expect(refusalFields(refused[0] ?? { code: '', message: '' })).toMatchObject({
      claimed_peer: 'spiffe://a.example/client',
      leaf: leafOf(forged),
    });
  });

  it('says which step failed: TCP, handshake, time, our own SVID, the caller', async () => {
    await using world = new Opened();
    const { verifier } = trusting(a.bundle(), b.bundle());
    const silent = await world.server({ svid: new HeldSvid(server), verifier });
    await silent.server.close(0);
    const port = silent.port;
    await expect(world.dial({ port, verifier })).rejects.toMatchObject({ code: 'connect-failed' });
    await expect(world.dial({ port, verifier, svid: new HeldSvid() })).rejects.toMatchObject({
      code: 'no-svid',
    });

    const { createServer } = await import('node:net');
    const mute = createServer((socket) => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1');
    await once(mute, 'listening');
    world.add(() => mute.close());
    const address = mute.address();
    if (address === null || typeof address === 'string') throw new Error('unreachable');
    await expect(world.dial({ port: address.port, verifier, timeoutMs: 100 })).rejects.toMatchObject({
      code: 'handshake-timeout',
    });
    const reason = new Error('the caller has enough');
    const abort = new AbortController();
    const dialing = world.dial({ port: address.port, verifier, signal: abort.signal });
    setImmediate(() => abort.abort(reason));
    await expect(dialing).rejects.toBe(reason);
  });

  it('accepts a peer at any address and under any name: the SPIFFE ID is who it is (X509-40)', async () => {
    await using world = new Opened();
    const { verifier } = trusting(a.bundle(), b.bundle());
    const { port } = await world.server({ svid: new HeldSvid(server), verifier });
    const dialed = await world.dial({
      port,
      verifier,
      serverName: 'somebody-else.test',
      svid: new HeldSvid(client),
    });
    expect(dialed.peer.id).toBe(server.id);
  });

  it('refuses a peer whose certificate is for the other role (X509-13)', async () => {
    await using world = new Opened();
    const { verifier } = trusting(a.bundle(), b.bundle());
    const port = await world.rawServer(
      shown(await b.issueLeaf({ extendedKeyUsage: ['clientAuth'] })),
      () => {},
    );
    await expect(world.dial({ port, verifier })).rejects.toMatchObject({ code: 'extended-key-usage' });
  });
});
