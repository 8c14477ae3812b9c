import { createPublicKey } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:tls';
import { beforeAll, describe, expect, it } from 'vitest';
import { secureContextOptions } from '../../src/mtls/index.ts';
import { generateKeyPair, issueCertificate, parseCertificate } from '../../src/spiffe/index.ts';
import { createTestCa, type TestCa } from '../../testkit/test-ca.ts';
import { call, merged, outboundTo, perDomain, type TestLeaf, World } from './support.ts';

let a: TestCa;
let b: TestCa;
let caller: TestLeaf;
let info: TestLeaf;
/** B's root as a merged pool may hold it: same name and key, for IDs of B only. */
let narrowedB: Uint8Array;
beforeAll(async () => {
  a = await createTestCa({ trustDomain: 'a.example' });
  b = await createTestCa({ trustDomain: 'b.example' });
  caller = await a.issueLeaf({ path: '/caller' });
  info = await (await b.issueIntermediate()).issueLeaf({ path: '/info' });
  const root = parseCertificate(b.root);
  const throwaway = await generateKeyPair('P-256');
  narrowedB = await issueCertificate({
    subject: 'O=b.example,CN=Root',
    publicKey: createPublicKey(b.key),
    signingKey: throwaway.privateKey,
    notBefore: root.notBefore,
    notAfter: root.notAfter,
    isCa: true,
    keyUsage: ['keyCertSign', 'cRLSign'],
    nameConstraints: { permittedUris: ['b.example'], permittedDns: ['b.example.invalid'] },
  });
});

const loopback = (port = 0) => ({ host: '127.0.0.1', port });

/** caller → sidecar of A (merged pool) → sidecar of B (per trust domain) → workload. */
async function twoMeshes(
  world: World,
  options: { trustOfA?: ReturnType<typeof merged>; allow?: TestLeaf[] } = {},
) {
  const seen: Record<string, unknown>[] = [];
  const workload = await world.workload((incoming, response) => {
    seen.push({ ...incoming.headers, method: incoming.method });
    incoming.pipe(response);
  });
  const inB = await world.sidecar(info, perDomain(b.bundle(), a.bundle()), {
    inbound: {
      listen: loopback(),
      forwardTo: loopback(workload),
      allow: (options.allow ?? [caller]).map(({ id }) => id),
    },
  });
  const port = inB.sidecar.inbound?.address().port ?? 0;
  const inA = await world.sidecar(
    caller,
    options.trustOfA ?? merged([a.root, narrowedB], 'a.example', 'b.example'),
    {
      outbound: [outboundTo(port, info.id)],
    },
  );
  return { inA, inB, seen, port, out: inA.sidecar.outbound[0]?.address().port ?? 0 };
}

/** What a separate TLS client receives from an inbound listener. */
async function knock(world: World, port: number, leaf: TestLeaf): Promise<string> {
  const socket = connect({
    ...secureContextOptions(),
    cert: leaf.certPem,
    key: leaf.keyPem,
    rejectUnauthorized: false,
    ...loopback(port),
  });
  world.add(() => socket.destroy());
  let heard = '';
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
  socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
  await new Promise((resolve) => socket.once('close', resolve));
  return heard;
}

const forgedByB = () => b.issueLeaf({ uriSans: ['spiffe://a.example/caller'] });
const codes = (world: World) => world.log.records.map(({ fields }) => fields['code']).filter(Boolean);

describe('Sidecar', () => {
  it('carries a call across two meshes and names the caller', async () => {
    await using world = new World();
    const { out, seen, inA, inB } = await twoMeshes(world);
    const answer = await call(out, {
      method: 'POST',
      body: 'x'.repeat(300_000),
      headers: {
        'x-forwarded-client-cert': 'URI=spiffe://a.example/king',
        x_forwarded_client_cert: 'URI=spiffe://a.example/king',
        connection: 'x-secret, content-length',
        'x-secret': 'of this hop',
        'x-kept': 'yes',
      },
    });
    expect(answer.status).toBe(200);
    expect(answer.body.length).toBe(300_000);
    const leaf = parseCertificate(caller.chain[0] ?? new Uint8Array());
    expect(seen[0]).toMatchObject({
      'x-forwarded-client-cert': `By=${info.id};Hash=${leaf.fingerprint};URI=${caller.id}`,
      'x-kept': 'yes',
    });
    expect(seen[0]).not.toHaveProperty('x_forwarded_client_cert');
    expect(seen[0]).not.toHaveProperty('x-secret');
    expect(await inB.metrics.render()).toContain('direction="inbound",outcome="accepted"} 1');
    expect(await inA.metrics.render()).toContain('direction="outbound",outcome="accepted"} 1');
    expect(world.log.records.find(({ message }) => message === 'connection accepted')?.fields).toMatchObject({
      code: 'accepted',
      peer: caller.id,
      root: a.authority.fingerprint,
      bundle: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it('frames the chunked body of a GET again, so that no second request hides in it', async () => {
    await using world = new World();
    const { out, seen } = await twoMeshes(world);
    const hidden = 'GET /hidden HTTP/1.1\r\nhost: x\r\n\r\n';
    const answer = await call(out, { body: hidden, headers: { 'transfer-encoding': 'chunked' } });
    expect(answer).toMatchObject({ status: 200, body: hidden });
    expect(seen).toHaveLength(1);
  });

  it('refuses a forged ID in a merged pool with narrowed anchors, and per trust domain, without a byte (X509-20)', async () => {
    await using world = new World();
    const workload = await world.workload((_incoming, response) => response.end('from the workload'));
    const inbound = { listen: loopback(), forwardTo: loopback(workload), allow: [caller.id] };
    const pool = merged([a.root, narrowedB], 'a.example', 'b.example');
    for (const trust of [pool, perDomain(a.bundle(), b.bundle())]) {
      const { sidecar } = await world.sidecar(await a.issueLeaf({ path: '/backend' }), trust, { inbound });
      const port = sidecar.inbound?.address().port ?? 0;
      expect(await knock(world, port, caller)).toContain('from the workload');
      expect(await knock(world, port, await forgedByB())).toBe('');
    }
    // The pool alone binds nothing: with the plain root the takeover succeeds, so anchors are
    // narrowed.
    const plain = merged([a.root, b.root], 'a.example', 'b.example');
    const { sidecar } = await world.sidecar(await a.issueLeaf({ path: '/backend' }), plain, { inbound });
    expect(await knock(world, sidecar.inbound?.address().port ?? 0, await forgedByB())).toContain(
      'from the workload',
    );
    expect(codes(world).filter((code) => code === 'path-refused')).toHaveLength(2);
  });

  it('admits only listed callers (X509-41)', async () => {
    await using world = new World();
    const { port, out, seen } = await twoMeshes(world, { allow: [] });
    expect(await knock(world, port, caller)).toBe('');
    expect(await call(out)).toMatchObject({ status: 503, body: expect.stringContaining('"peer-refused"') });
    expect(seen).toEqual([]);
    const refused = world.log.records.find(({ message }) => message === 'connection refused');
    expect(refused?.fields).toMatchObject({
      code: 'peer-not-authorized',
      peer: caller.id,
      leaf: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it('names the trust domain without a bundle', async () => {
    await using world = new World();
    const { out, inA } = await twoMeshes(world, { trustOfA: merged([a.root], 'a.example') });
    const before = await call(out);
    expect(before.status).toBe(503);
    expect(JSON.parse(before.body)).toEqual({
      code: 'trust-domain-not-accepted',
      message: expect.stringContaining('b.example'),
    });
    await inA.give(perDomain(a.bundle()));
    expect(JSON.parse((await call(out)).body)).toEqual({
      code: 'no-bundle',
      message: expect.stringContaining('b.example'),
    });
    await inA.give(merged([a.root, narrowedB], 'a.example', 'b.example'));
    expect((await call(out)).status).toBe(200);
  });

  it('expects exactly the configured peers', async () => {
    await using world = new World();
    const { port, inA } = await twoMeshes(world);
    const other = await world.sidecar(caller, perDomain(a.bundle(), b.bundle()), {
      outbound: [outboundTo(port, caller.id)],
    });
    expect(inA.sidecar.outbound).toHaveLength(1);
    const answer = await call(other.sidecar.outbound[0]?.address().port ?? 0);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'peer-not-authorized' });
  });

  it('closes open connections when their root is removed, on the calling side (FED-61)', async () => {
    await using world = new World();
    const { out, inA, seen } = await twoMeshes(world);
    expect((await call(out)).status).toBe(200);
    await inA.give(merged([a.root], 'a.example'));
    expect(JSON.parse((await call(out)).body)).toMatchObject({ code: 'trust-domain-not-accepted' });
    expect(seen).toHaveLength(1);
    expect(codes(world)).toContain('trust-domain-not-accepted');
  });

  it('closes open connections when their root is removed, on the called side (FED-61)', async () => {
    await using world = new World();
    const { out, inB, seen } = await twoMeshes(world);
    expect((await call(out)).status).toBe(200);
    await inB.give(perDomain(b.bundle()));
    await expect.poll(() => codes(world)).toContain('no-bundle');
    expect(JSON.parse((await call(out)).body)).toMatchObject({ code: 'peer-refused' });
    expect(seen).toHaveLength(1);
  });

  it.each([
    'called',
    'calling',
  ] as const)('ends a running request too when its root is removed, although its answer never arrives, on the %s side (FED-61)', async (side) => {
    await using world = new World();
    const { inA, inB, out } = await twoMeshes(world);
    const outgoing = request({ host: '127.0.0.1', port: out, method: 'POST', agent: false });
    world.add(() => outgoing.destroy());
    outgoing.on('error', () => {});
    // The workload gives back what it gets, and this never ends.
    outgoing.write('never ended');
    const [incoming] = await once(outgoing, 'response');
    incoming.on('error', () => {});
    const ended = new Promise((resolve) => incoming.resume().once('close', resolve));
    if (side === 'called') await inB.give(perDomain(b.bundle()));
    else await inA.give(merged([a.root], 'a.example'));
    await ended;
    expect(incoming.complete).toBe(false);
  });

  it('keeps its trust when the new one is unusable, refuses it (NACK), and still renews its SVID', async () => {
    await using world = new World();
    const { out, inA } = await twoMeshes(world);
    await inA.give({ name: 'ROOTCA', kind: 'merged-validation', trustedCaPem: 'no PEM', allowedUriSans: [] });
    expect(inA.server.acknowledged('ROOTCA').proxies[0]?.refused).toMatch(/roots cannot be read/);
    expect((await call(out)).status).toBe(200);
    const renewals = () => world.log.records.filter(({ message }) => message === 'SVID received').length;
    const before = renewals();
    await inA.renew(await a.issueLeaf({ path: '/caller' }));
    await expect.poll(renewals).toBe(before + 1);
  });

  it('swaps its SVID and a root while calls go on, without one failed call', async () => {
    await using world = new World();
    const { out, inA, inB } = await twoMeshes(world);
    const next = await createTestCa({ trustDomain: 'b.example', subject: 'O=b.example,CN=Next' });
    let stop = false;
    const statuses: (number | undefined)[] = [];
    const calls = (async () => {
      while (!stop) statuses.push((await call(out)).status);
    })();
    await inA.give(perDomain(a.bundle(), { ...b.bundle(), x509Authorities: [b.authority, next.authority] }));
    await inB.renew(await next.issueLeaf({ path: '/info' }));
    await inA.renew(await a.issueLeaf({ path: '/caller' }));
    await inA.give(perDomain(a.bundle(), next.bundle()));
    for (let turn = 0; turn < 3; turn += 1) await call(out);
    stop = true;
    await calls;
    expect(new Set(statuses)).toEqual(new Set([200]));
    const roots = world.log.records
      .filter(({ message }) => message === 'connection opened')
      .map(({ fields }) => fields['root']);
    expect(roots.at(-1)).toBe(next.authority.fingerprint);
  });

  it('reads at most 16 KiB of headers', async () => {
    await using world = new World();
    const { port, seen } = await twoMeshes(world);
    const socket = connect({
      ...secureContextOptions(),
      cert: caller.certPem,
      key: caller.keyPem,
      rejectUnauthorized: false,
      ...loopback(port),
    });
    world.add(() => socket.destroy());
    socket.on('error', () => {});
    let heard = '';
    socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
    await once(socket, 'secureConnect');
    socket.write(`GET / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}`);
    await new Promise((resolve) => socket.once('close', resolve));
    expect(heard).toContain('431');
    expect(seen).toEqual([]);
  });

  it('stop() ends idle connections at once and gives running requests their time', async () => {
    await using world = new World();
    let answer = () => {};
    const workload = await world.workload((_incoming, response) => {
      answer = () => response.end('late');
      response.write('early ');
    });
    const inbound = { listen: loopback(), forwardTo: loopback(workload), allow: [caller.id] };
    const trust = perDomain(b.bundle(), a.bundle());
    const { sidecar } = await world.sidecar(info, trust, { inbound, drainMs: 60_000 });
    const port = sidecar.inbound?.address().port ?? 0;
    const idle = connect({
      ...secureContextOptions(),
      cert: caller.certPem,
      key: caller.keyPem,
      rejectUnauthorized: false,
      ...loopback(port),
    });
    world.add(() => idle.destroy());
    idle.on('error', () => {});
    idle.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    await once(idle, 'data');
    answer();
    const busy = knock(world, port, caller);
    await expect.poll(() => codes(world).filter((code) => code === 'accepted').length).toBe(2);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const stopped = sidecar.stop();
    await new Promise((resolve) => idle.resume().once('close', resolve));
    answer();
    expect(await busy).toContain('late');
    await stopped;
  });

  it.each([
    ['status 099', 'HTTP/1.1 099 Odd\r\ncontent-length: 2\r\n\r\nhi'],
    ['status 000', 'HTTP/1.1 000 Odd\r\ncontent-length: 2\r\n\r\nhi'],
    ['status 600', 'HTTP/1.1 600 Odd\r\ncontent-length: 2\r\n\r\nhi'],
    ['status 999', 'HTTP/1.1 999 Odd\r\ncontent-length: 2\r\n\r\nhi'],
    ['an unrequested protocol change', 'HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'],
    ['control characters in a header', 'HTTP/1.1 200 OK\r\nx: a\u0001b\u007f\r\ncontent-length: 0\r\n\r\n'],
    ['a header without a name', 'HTTP/1.1 200 OK\r\n: a\r\ncontent-length: 0\r\n\r\n'],
    ['bytes that are not HTTP', 'SSH-2.0-x\r\n'],
  ])('answers 502 where the workload answers with %s, and continues', async (_, bytes) => {
    await using world = new World();
    let odd = true;
    const workload = await world.workload((incoming, response) => {
      if (odd) incoming.socket.end(bytes, 'latin1');
      else response.end('fine');
    });
    const inbound = { listen: loopback(), forwardTo: loopback(workload), allow: [caller.id] };
    const { sidecar } = await world.sidecar(info, perDomain(b.bundle(), a.bundle()), { inbound });
    const port = sidecar.inbound?.address().port ?? 0;
    expect(await knock(world, port, caller)).toContain('HTTP/1.1 502 ');
    odd = false;
    expect(await knock(world, port, caller)).toContain('fine');
  });

  it('reports that the workload does not answer', async () => {
    await using world = new World();
    const gone = await world.workload((incoming) => incoming.socket.destroy());
    const inbound = { listen: loopback(), forwardTo: loopback(gone), allow: [caller.id] };
    const { sidecar } = await world.sidecar(info, perDomain(b.bundle(), a.bundle()), { inbound });
    expect(await knock(world, sidecar.inbound?.address().port ?? 0, caller)).toContain(
      '"workload-unreachable"',
    );
  });
});
