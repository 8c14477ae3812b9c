import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { BundleEndpoint, type BundleEndpointOptions } from '../../src/bundle-endpoint/index.ts';
import { createSpiffeVerifier, type Svid, svidFromPem } from '../../src/mtls/index.ts';
import { createMetrics, silentLog, systemClock } from '../../src/platform/index.ts';
import { BundleSet, bundleOf, parseBundle, parseCertificate } from '../../src/spiffe/index.ts';
import { ChangingSvid } from '../../testkit/changing-svid.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa, type TestCa } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';

// TLS stacks judge certificates by the system clock, so these are valid now.
const NOW = new Date();
const VALID = {
  notBefore: new Date(NOW.getTime() - 3_600_000),
  notAfter: new Date(NOW.getTime() + 86_400_000),
};

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** Resolves when it is closed, also by a reset, which `once` of Node would treat as a failure. */
function closeOf(socket: Socket): Promise<void> {
  socket.on('error', () => {});
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

async function svidOf(ca: TestCa): Promise<Svid> {
  const leaf = await ca.issueLeaf({ path: '/federate', ...VALID });
  return svidFromPem(leaf.certPem, leaf.keyPem);
}

async function start(options: Partial<BundleEndpointOptions> = {}) {
  const ca = await createTestCa({ trustDomain: 'a.example', ...VALID });
  const svid = new ChangingSvid(await svidOf(ca));
  const endpoint = new BundleEndpoint({
    profile: { kind: 'https_spiffe', svid },
    url: new URL('https://127.0.0.1/'),
    path: '/bundle.json',
    limits: { maxConnections: 50, maxConnectionsPerAddress: 40 },
    clock: systemClock,
    log: silentLog,
    metrics: createMetrics({ processMetrics: false }),
    ...options,
  });
  await endpoint.start({ host: '127.0.0.1', port: 0 });
  stops.push(() => endpoint.stop(100));
  const publish = (sequence: bigint, ...others: TestCa[]) =>
    endpoint.publish(
      bundleOf(
        ca.trustDomain,
        [ca, ...others].map((each) => each.authority),
        { sequence, refreshHintSeconds: 300 },
      ),
    );
  return { ca, svid, endpoint, publish, port: endpoint.address().port };
}

interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Buffer;
}

function get(
  port: number,
  options: { path?: string; method?: string; headers?: Record<string, string>; agent?: Agent } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { host: '127.0.0.1', port, rejectUnauthorized: false, agent: options.agent ?? false, ...options },
      (incoming) => {
        const parts: Buffer[] = [];
        incoming.on('data', (part: Buffer) => parts.push(part));
        incoming.on('end', () =>
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: Buffer.concat(parts),
          }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end();
  });
}

async function handshake(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  return socket;
}

describe('BundleEndpoint over HTTP', () => {
  it('answers GET of / and of its path with the newest bundle, at once after it changes (FED-12, FED-13, FED-14)', async () => {
    const { ca, port, publish } = await start();
    publish(7n);
    for (const path of ['/', '/bundle.json']) {
      const { status, headers, body } = await get(port, { path });
      expect(status).toBe(200);
      expect(headers['content-type']).toBe('application/json');
      expect(headers['cache-control']).toBe('no-cache');
      const { bundle } = parseBundle(ca.trustDomain, body);
      expect(bundle).toMatchObject({ sequence: 7n, refreshHintSeconds: 300 });
      expect(bundle.x509Authorities.map((each) => each.fingerprint)).toEqual([ca.authority.fingerprint]);
    }
    publish(8n, await createTestCa({ trustDomain: 'a.example', ...VALID }));
    expect(parseBundle(ca.trustDomain, (await get(port)).body).bundle.sequence).toBe(8n);
  });

  it('answers HTTP/1.0 as load balancers speak it, without a Host; HTTP/1.1 needs one', async () => {
    const { port, publish } = await start();
    publish(7n);
    const statusOf = async (words: string) => {
      const socket = await handshake(port);
      socket.write(words);
      const [answer] = (await once(socket, 'data')) as [Buffer];
      socket.destroy();
      return answer.toString('latin1').split('\r\n')[0];
    };
    expect(await statusOf('GET / HTTP/1.1\r\nHost: a.example\r\n\r\n')).toBe('HTTP/1.1 200 OK');
    expect(await statusOf('GET / HTTP/1.0\r\nHost: a.example\r\n\r\n')).toBe('HTTP/1.1 200 OK');
    expect(await statusOf('GET / HTTP/1.0\r\n\r\n')).toBe('HTTP/1.1 200 OK');
    expect(await statusOf('GET / HTTP/1.1\r\n\r\n')).toBe('HTTP/1.1 400 Bad Request');
  });

  it('reports who received the whole bundle, with its tag, but not clients that state what they hold', async () => {
    const served: [string, string][] = [];
    const { port, publish } = await start({ onServed: (address, tag) => served.push([address, tag]) });
    publish(7n);
    const { headers } = await get(port);
    const tag = String(headers['etag']);
    await expect.poll(() => served).toEqual([['127.0.0.1', tag]]);
    await get(port, { headers: { 'if-none-match': tag } });
    await get(port, { method: 'HEAD' });
    await get(port, { path: '/nothing' });
    await get(port, { headers: { 'federate-holding': 'a.b.c' } });
    await get(port, { path: '/bundle.json' });
    await expect.poll(() => served).toHaveLength(2);
  });

  it('answers 304 only for exactly the present tag (FED-24)', async () => {
    const { port, publish } = await start();
    publish(1n);
    const { headers } = await get(port);
    const etag = String(headers['etag']);
    expect(etag).toMatch(/^"[^"]+"$/);
    const ask = async (ifNoneMatch: string) =>
      (await get(port, { headers: { 'if-none-match': ifNoneMatch } })).status;
    expect(await ask(etag)).toBe(304);
    expect(await ask(`"other", ${etag}`)).toBe(304);
    expect(await ask('*')).toBe(200);
    expect(await ask(`W/${etag}`)).toBe(200);
    publish(2n);
    expect(await ask(etag)).toBe(200);
  });

  it('sends Federate-Relationship only when the client was proved before the answer, and never waits long for a proof', async () => {
    const asked: (string | undefined)[] = [];
    const { port, publish } = await start({
      onRequest: ({ statement }) => {
        asked.push(statement);
        return statement === 'late'
          ? new Promise(() => {})
          : Promise.resolve(statement === 'proved' ? 'b.example' : undefined);
      },
    });
    publish(1n);
    const { headers } = await get(port);
    const etag = String(headers['etag']);
    const held = { prefer: 'wait=1', 'if-none-match': etag };
    const headerOf = async (more: Record<string, string>) =>
      (await get(port, { headers: { ...held, ...more } })).headers['federate-relationship'];
    expect(
      await Promise.all([
        headerOf({ 'federate-holding': 'proved' }),
        headerOf({ 'federate-holding': 'forged' }),
        headerOf({ 'federate-holding': 'late' }),
        headerOf({}),
      ]),
    ).toEqual(['held', undefined, undefined, undefined]);
    expect(asked).toHaveLength(5);
  });

  it('answers HEAD like GET, without the body', async () => {
    const { port, publish } = await start();
    publish(1n);
    const [head, full] = [await get(port, { method: 'HEAD' }), await get(port)];
    expect(head).toMatchObject({ status: 200, body: Buffer.alloc(0) });
    expect(head.headers['etag']).toBe(full.headers['etag']);
  });

  it.each([
    ['another path', '/other', 'GET', 404],
    ['POST', '/', 'POST', 405],
    ['DELETE', '/bundle.json', 'DELETE', 405],
    ['OPTIONS', '/', 'OPTIONS', 405],
  ])('refuses %s, and never with something shaped like a bundle (FED-23)', async (_what, path, method, status) => {
    const { port, publish } = await start();
    publish(1n);
    expect((await get(port)).status).toBe(200);
    const answer = await get(port, { path, method });
    expect(answer.status).toBe(status);
    expect(answer.headers['allow']).toBe(status === 405 ? 'GET, HEAD' : undefined);
    expect(JSON.parse(answer.body.toString())).not.toHaveProperty('keys');
  });

  it('answers 503 before there is a bundle, never an empty one (FED-23)', async () => {
    const { port, endpoint, publish } = await start();
    expect(endpoint.ready).toBe(false);
    expect((await get(port)).status).toBe(503);
    publish(1n);
    expect((await get(port)).status).toBe(200);
    expect(endpoint.ready).toBe(true);
  });

  it('refuses a bundle without sequence or refresh hint', async () => {
    const { endpoint, ca } = await start();
    expect(() => endpoint.publish(bundleOf(ca.trustDomain, [ca.authority]))).toThrow(/sequence/);
  });
});

describe('BundleEndpoint over TLS', () => {
  it('shows its SVID, leaf first, and lists no CA (FED-17)', async () => {
    const { ca, port, publish } = await start();
    publish(1n);
    const socket = await handshake(port);
    const shown = socket.getPeerX509Certificate();
    const clock = new TestClock(NOW);
    const verifier = createSpiffeVerifier({ bundles: new BundleSet([ca.bundle(1n)]), clock });
    expect(shown && verifier.verify([shown.raw], 'server').id).toBe('spiffe://a.example/federate');
    socket.destroy();
  });

  it('shows a renewed SVID to new connections, and drops no kept one (FED-17)', async () => {
    const { ca, svid, port, publish } = await start();
    publish(1n);
    const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
    expect((await get(port, { agent })).status).toBe(200);
    const renewed = await svidOf(ca);
    svid.change(renewed);
    expect((await get(port, { agent })).status).toBe(200);
    agent.destroy();
    const socket = await handshake(port);
    const [leaf] = renewed.certificateChain;
    expect(leaf && socket.getPeerX509Certificate()?.raw.equals(leaf)).toBe(true);
    socket.destroy();
  });

  it('stops presenting an SVID that was revoked or has expired, is not ready then, and serves again with the next (WLAPI-24)', async () => {
    const { ca, svid, endpoint, port, publish } = await start();
    publish(1n);
    (await handshake(port)).destroy();
    svid.change(undefined);
    expect(endpoint.ready).toBe(false);
    await expect(handshake(port)).rejects.toThrow(/handshake|alert/i);
    svid.change(await svidOf(ca));
    expect(endpoint.ready).toBe(true);
    expect((await get(port)).status).toBe(200);
  });

  it.each([
    ['TLS 1.1', { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }],
    ['CBC suites', { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA' }],
    ['RSA key exchange', { maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256' }],
  ] as const)('refuses %s (FED-15)', async (_what, options) => {
    const { port } = await start();
    (await handshake(port, { maxVersion: 'TLSv1.2' })).destroy();
    await expect(handshake(port, options)).rejects.toThrow(
      /alert|protocol|handshake|cipher|ECONNRESET|version/i,
    );
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('resumes no %s session (FED-42)', async (version) => {
    const { port, publish } = await start();
    publish(1n);
    const sessions: Buffer[] = [];
    const first = await handshake(port, { maxVersion: version });
    first.on('session', (session) => sessions.push(session));
    first.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
    first.resume();
    await closeOf(first);
    const session = sessions.at(-1) ?? first.getSession();
    const second = await handshake(port, { maxVersion: version, ...(session ? { session } : {}) });
    expect(second.isSessionReused()).toBe(false);
    second.destroy();
  });

  it('survives plain HTTP and noise on its port', async () => {
    const { port, publish } = await start();
    publish(1n);
    for (const noise of ['GET / HTTP/1.1\r\n\r\n', Buffer.alloc(300, 7)]) {
      const socket = connectTcp(port, '127.0.0.1');
      socket.on('error', () => {});
      socket.write(noise);
      socket.resume();
      await closeOf(socket);
    }
    expect((await get(port)).status).toBe(200);
  });

  it('holds no more connections per address than allowed, and serves again after they are closed', async () => {
    const { port, publish } = await start({ limits: { maxConnections: 50, maxConnectionsPerAddress: 3 } });
    publish(1n);
    const held = await Promise.all([handshake(port), handshake(port), handshake(port)]);
    await expect(get(port)).rejects.toThrow(/ECONNRESET|hang up|disconnected/);
    for (const socket of held) socket.destroy();
    await expect
      .poll(async () =>
        get(port).then(
          (answer) => answer.status,
          () => 0,
        ),
      )
      .toBe(200);
  });

  it('serves again after more connections than its limit have closed', async () => {
    const { port, publish } = await start({ limits: { maxConnections: 3, maxConnectionsPerAddress: 50 } });
    publish(1n);
    const held = await Promise.all([handshake(port), handshake(port), handshake(port)]);
    await expect(get(port)).rejects.toThrow(/ECONNRESET|hang up|disconnected/);
    for (const socket of held) socket.destroy();
    await expect.poll(async () => (await get(port).catch(() => undefined))?.status).toBe(200);
  });

  it.each([
    [
      'says nothing in the handshake',
      { handshakeMs: 100 },
      async (port: number) => connectTcp(port, '127.0.0.1'),
    ],
    [
      'drips its headers',
      // The honest client next to it must also be in time on a busy machine.
      { headersMs: 500 },
      async (port: number) => {
        const socket = await handshake(port);
        socket.write('GET / HTTP/1.1\r\n');
        const drip = setInterval(() => socket.write('x-a: b\r\n'), 20);
        socket.once('close', () => clearInterval(drip));
        return socket;
      },
    ],
    [
      'asks for nothing more on a kept connection',
      { idleMs: 100 },
      async (port: number) => {
        const socket = await handshake(port);
        socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
        return socket;
      },
    ],
  ])('gives up a client that %s, and serves the others', async (_what, limit, open) => {
    const limits = { maxConnections: 50, maxConnectionsPerAddress: 40, ...limit };
    const { port, publish } = await start({ limits });
    publish(1n);
    const slow = await open(port);
    slow.on('error', () => {});
    slow.resume();
    const closed = closeOf(slow);
    expect((await get(port)).status).toBe(200);
    await closed;
  });

  it('closes a connection after its maximum number of requests', async () => {
    const { port, publish } = await start();
    publish(1n);
    const socket = await handshake(port);
    let text = '';
    socket.on('data', (part: Buffer) => (text += part.toString('latin1')));
    const closed = closeOf(socket);
    for (let asked = 0; asked < 1200 && !socket.destroyed; asked += 1) {
      const before = text.length;
      socket.write('HEAD / HTTP/1.1\r\nhost: x\r\n\r\n');
      while (!socket.destroyed && !text.slice(before).endsWith('\r\n\r\n'))
        await new Promise((resolve) => setImmediate(resolve));
    }
    await closed;
    expect(text.match(/^HTTP\/1.1 200 /gm)).toHaveLength(1000);
    expect(text.match(/^connection: close/gim)?.length).toBeGreaterThanOrEqual(1);
  });

  it('reads no body: the connection ends with the answer', async () => {
    const { port, publish } = await start();
    publish(1n);
    for (const [method, framing] of [
      ['POST', 'transfer-encoding: chunked'],
      ['GET', 'content-length: 1000000000'],
    ]) {
      const socket = await handshake(port);
      let text = '';
      socket.on('data', (part: Buffer) => (text += part.toString('latin1')));
      socket.write(`${method} / HTTP/1.1\r\nhost: x\r\n${framing}\r\n\r\n`);
      await closeOf(socket);
      expect(text).toMatch(method === 'GET' ? /^HTTP\/1.1 200 / : /^HTTP\/1.1 405 /);
      expect(text.toLowerCase()).toContain('connection: close');
    }
  });

  it('stops within its bound although a client is in its handshake', async () => {
    const { endpoint, port } = await start({
      limits: { maxConnections: 50, maxConnectionsPerAddress: 40, handshakeMs: 600_000 },
    });
    const silent = connectTcp(port, '127.0.0.1');
    silent.on('error', () => {});
    await once(silent, 'connect');
    (await handshake(port)).destroy(); // the first one is accepted now
    const closed = closeOf(silent);
    silent.resume();
    await endpoint.stop(0);
    await closed;
    expect(silent.destroyed).toBe(true);
  });

  it('stops at once despite connected clients: in TCP only, after the handshake, between two requests', async () => {
    const { endpoint, port, publish } = await start();
    publish(1n);
    const agent = new Agent({ keepAlive: true });
    await get(port, { agent });
    const tcp = connectTcp(port, '127.0.0.1');
    tcp.on('error', () => {});
    await once(tcp, 'connect');
    const silent = await handshake(port);
    // The grace period is longer than any test may take.
    await endpoint.stop(3_600_000);
    await Promise.all([tcp, silent].map(async (each) => each.closed || (await closeOf(each))));
    expect([tcp.closed, silent.closed]).toEqual([true, true]);
    agent.destroy();
  });

  it('answers a request that was under way when it was stopped, a half-sent one too, and closes then', async () => {
    const { endpoint, port, publish } = await start();
    publish(1n);
    const half = await handshake(port);
    let text = '';
    half.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
    half.write('GET / HTTP/1.1\r\nHost: a\r\n');
    const agent = new Agent({ keepAlive: true });
    // The second half follows the first answer, so the endpoint has seen the first half as well.
    await get(port, { agent });
    await get(port, { agent });
    const stopped = endpoint.stop(3_600_000);
    half.write('\r\n');
    await closeOf(half);
    await stopped;
    expect(text).toMatch(/^HTTP\/1\.1 200 /);
    agent.destroy();
  });

  it('keeps presenting its SVID when the next one cannot be used, and logs that', async () => {
    const log = createRecordingLog();
    const { svid, port, publish } = await start({ log });
    publish(1n);
    const good = svid.current();
    const [leaf] = good?.certificateChain ?? [];
    if (good) svid.change({ ...good, certificateChain: [new Uint8Array([1, 2, 3])] });
    expect(log.records.filter((record) => record.level === 'error')).toHaveLength(1);
    const socket = await handshake(port);
    expect(leaf && socket.getPeerX509Certificate()?.raw.equals(leaf)).toBe(true);
    socket.destroy();
  });

  it('refuses headers that are too large', async () => {
    const { port, publish } = await start();
    publish(1n);
    expect((await get(port, { headers: { 'x-big': 'x'.repeat(20_000) } })).status).toBe(431);
  });

  it('reports a port that is in use', async () => {
    const { endpoint, port } = await start();
    expect(endpoint.address().port).toBe(port);
    const other = new BundleEndpoint({
      profile: { kind: 'https_spiffe', svid: new ChangingSvid() },
      url: new URL('https://127.0.0.1/'),
      path: '/',
      limits: { maxConnections: 10, maxConnectionsPerAddress: 10 },
      clock: systemClock,
      log: silentLog,
      metrics: createMetrics({ processMetrics: false }),
    });
    await expect(other.start({ host: '127.0.0.1', port })).rejects.toMatchObject({
      code: 'port-in-use',
      message: expect.stringContaining(String(port)),
    });
  });

  it('leaves one record per request', async () => {
    const log = createRecordingLog();
    const { port, publish } = await start({ log });
    publish(1n);
    await get(port);
    await expect
      .poll(() =>
        log.records.filter((record) => record.message === 'request').map((record) => record.fields['status']),
      )
      .toEqual([200]);
  });
});

describe('BundleEndpoint with https_web (FED-02)', () => {
  async function webFiles(folder: ReturnType<typeof tempDir>, host: string) {
    const ca = await createTestCa({ trustDomain: 'web.example', ...VALID });
    const leaf = await ca.issueLeaf({ path: '/web', dnsSans: [host], ...VALID });
    writeFileSync(folder.file('tls.crt'), leaf.certPem);
    writeFileSync(folder.file('tls.key'), leaf.keyPem);
    const [der] = leaf.chain;
    return der && parseCertificate(der).fingerprint;
  }

  const profile = (folder: ReturnType<typeof tempDir>) => ({
    kind: 'https_web' as const,
    certificateFile: folder.file('tls.crt'),
    keyFile: folder.file('tls.key'),
  });
  const url = new URL('https://federation.a.example/');

  it('presents a new certificate when the files change, and keeps the last one when they are bad', async () => {
    using folder = tempDir();
    await webFiles(folder, 'federation.a.example');
    const clock = new TestClock(NOW);
    const log = createRecordingLog();
    const { port, publish } = await start({ profile: profile(folder), url, clock, log });
    publish(1n);
    const shown = async () => {
      const socket = await handshake(port);
      const der = socket.getPeerX509Certificate()?.raw;
      socket.destroy();
      return der && parseCertificate(der).fingerprint;
    };
    const second = await webFiles(folder, 'federation.a.example');
    await clock.untilSleeping();
    await clock.advance(2000);
    await expect.poll(shown).toBe(second);
    writeFileSync(folder.file('tls.key'), 'not a key');
    await clock.advance(2000);
    await expect.poll(() => log.records.filter((record) => record.level === 'error')).toHaveLength(1);
    expect(await shown()).toBe(second);
  });

  it.each([
    [
      'expired',
      { notBefore: new Date('2001-01-01T00:00:00Z'), notAfter: new Date('2002-01-01T00:00:00Z') },
      'ended at 2002-01-01',
    ],
    [
      'not valid yet',
      { notBefore: new Date('2090-01-01T00:00:00Z'), notAfter: new Date('2091-01-01T00:00:00Z') },
      'begins at 2090-01-01',
    ],
  ])('keeps a valid certificate in the place of one that is %s, and says so until a good one is there', async (_what, dates, why) => {
    using folder = tempDir();
    await webFiles(folder, 'federation.a.example');
    const clock = new TestClock(NOW);
    const log = createRecordingLog();
    const { port, publish, endpoint } = await start({ profile: profile(folder), url, clock, log });
    publish(1n);
    const shown = async () => {
      const socket = await handshake(port);
      const der = socket.getPeerX509Certificate()?.raw;
      socket.destroy();
      return der && parseCertificate(der).fingerprint;
    };
    const first = await shown();
    expect(endpoint.webCertificate).toMatchObject({ file: folder.file('tls.crt') });
    const ca = await createTestCa({ trustDomain: 'web.example', ...dates });
    const leaf = await ca.issueLeaf({ path: '/web', dnsSans: ['federation.a.example'], ...dates });
    writeFileSync(folder.file('tls.crt'), leaf.certPem);
    writeFileSync(folder.file('tls.key'), leaf.keyPem);
    await clock.untilSleeping();
    await clock.advance(2000);
    await expect.poll(() => endpoint.certificateTrouble?.message).toContain(why);
    expect(await shown()).toBe(first);
    expect(log.records.filter((record) => record.level === 'error')).toHaveLength(1);
    const good = await webFiles(folder, 'federation.a.example');
    await clock.advance(2000);
    await expect.poll(shown).toBe(good);
    expect(endpoint.certificateTrouble).toBeUndefined();
  });

  it('does not start with a certificate for another host (FED-16)', async () => {
    using folder = tempDir();
    await webFiles(folder, 'federation.b.example');
    await expect(start({ profile: profile(folder), url })).rejects.toMatchObject({
      code: 'certificate-other-host',
    });
  });

  it('does not start without its files, or with a key that is not the certificate’s', async () => {
    using folder = tempDir();
    await expect(start({ profile: profile(folder), url })).rejects.toMatchObject({
      code: 'certificate-unusable',
    });
    await webFiles(folder, 'federation.a.example');
    const ca = await createTestCa({ trustDomain: 'c.example', ...VALID });
    writeFileSync(folder.file('tls.key'), (await ca.issueLeaf({ path: '/x' })).keyPem);
    await expect(start({ profile: profile(folder), url })).rejects.toMatchObject({
      code: 'certificate-unusable',
    });
    rmSync(folder.file('tls.key'));
    await expect(start({ profile: profile(folder), url })).rejects.toMatchObject({
      code: 'certificate-unusable',
    });
  });
});
