import { once } from 'node:events';
import { connect, type SecureVersion, type TLSSocket } from 'node:tls';
import { beforeAll, describe, expect, it } from 'vitest';
import { answers, FakePeer, type Answer } from '../../../testkit/fake-peer.ts';
import { endpointOf, type Surroundings } from '../../../testkit/hostile-identities.ts';
import { createTestCa, type TestCa } from '../../../testkit/test-ca.ts';
import { addWithBundle, AgentWorld, overWeb, peerName, serve } from '../agent-world.ts';
import { createAuthority } from '../authority.ts';
import { createSurroundings, HostileWorld, serving } from './hostile-world.ts';

let around: Surroundings;
let next: TestCa;

beforeAll(async () => {
  around = await createSurroundings();
  next = await createTestCa({ trustDomain: peerName, subject: 'CN=Next' });
});

/** A server that gives session tickets and, with the same keys in every context, takes them whatever its certificate is. */
const ticketKeys = Buffer.alloc(48, 7);
const versions = ['TLSv1.2', 'TLSv1.3'] as const satisfies readonly SecureVersion[];

/** Keeps the connection, and says so; whatever else comes is never asked for. */
const keepAlive =
  (answer: Answer): Answer =>
  (socket, request, reset) => {
    const end = socket.end.bind(socket);
    socket.end = ((chunk?: string | Uint8Array) => {
      if (chunk !== undefined) socket.write(chunk);
      return socket;
    }) as TLSSocket['end'];
    answer(socket, request, reset);
    socket.end = end;
  };

/** Whether an ordinary client that wants to resume can do so here: else there would be nothing to show. */
async function resumesForOthers(peer: FakePeer, version: SecureVersion): Promise<boolean> {
  const options = {
    host: '127.0.0.1',
    port: peer.port,
    rejectUnauthorized: false,
    minVersion: version,
    maxVersion: version,
  };
  const first = connect(options);
  const [session] = (await Promise.all([
    once(first, 'session'),
    once(first, 'secureConnect').then(() => first.write('GET / HTTP/1.1\r\n\r\n')),
  ]).then(([[ticket]]) => [ticket])) as [Buffer];
  first.destroy();
  const second = connect({ ...options, session });
  await once(second, 'secureConnect');
  const resumed = second.isSessionReused();
  second.destroy();
  return resumed;
}

describe('Federation judges every connection again (FED-29, FED-42, invariant 10)', () => {
  it.each(
    versions,
  )('over https_spiffe and %s, whatever tickets it was given, and after the root is gone', async (version) => {
    await using world = await HostileWorld.start(around);
    const { agents, peer } = world;
    const tls = { ticketKeys, minVersion: version, maxVersion: version };
    const identity = await endpointOf(around.peerCa);
    const { authority } = around.peerCa;
    peer.misbehave({ tls, answer: keepAlive(serving([authority], { sequence: 5n })) });
    expect(await resumesForOthers(peer.fake, version)).toBe(true);
    peer.fake.requests.length = 0;

    const before = peer.fake.connections;
    expect([await world.poll(), await world.poll()]).toEqual(['unchanged', 'unchanged']);
    peer.misbehave({ tls, answer: keepAlive(serving([authority, next.authority], { sequence: 6n })) });
    expect(await world.poll()).toBe('accepted');
    peer.misbehave({
      tls,
      identity: await endpointOf(next),
      answer: keepAlive(serving([next.authority], { sequence: 7n })),
    });
    expect(await world.poll()).toBe('accepted');
    expect(peer.fake.connections - before).toBe(4);
    expect(peer.fake.requests.map(({ resumed }) => resumed)).toEqual([false, false, false, false]);
    await peer.fake.until(({ openConnections }) => openConnections === 0);

    // The old root is gone: whoever still has its key, and a ticket from then, gets no byte of HTTP.
    peer.misbehave({ tls, identity, answer: keepAlive(serving([authority], { sequence: 8n })) });
    expect(await world.poll()).toBe('failed svid-refused');
    expect(peer.fake.requests).toHaveLength(4);
    expect(agents.trusted()).toEqual([next.authority.fingerprint]);
  });

  it('over https_web too', async () => {
    const now = new Date();
    const [webCa, root] = await Promise.all([createAuthority('web', now), createAuthority('root', now)]);
    await using world = await AgentWorld.start(now);
    await using peer = await FakePeer.start(await webCa.web(['localhost']));
    peer.become(await webCa.web(['localhost']), { ticketKeys });
    peer.answer = keepAlive(serve([root], { sequence: 1n }));
    expect(await resumesForOthers(peer, 'TLSv1.3')).toBe(true);
    peer.requests.length = 0;
    await world.federation.relationships.add({
      ...addWithBundle(peer, [root], { sequence: 1n }),
      profile: overWeb,
      endpointUrl: peer.url('/', 'localhost'),
      bootstrap: { kind: 'web-pki', caPem: webCa.pem },
    });
    expect([await world.poll(), await world.poll()]).toEqual(['unchanged', 'unchanged']);
    expect(peer.requests.map(({ resumed }) => resumed)).toEqual([false, false, false]);
    await peer.until(({ openConnections }) => openConnections === 0);
  });

  it('and takes no second answer that came along with the first', async () => {
    await using world = await HostileWorld.start(around);
    const smuggled = serving([around.peerCa.authority, next.authority], { sequence: 6n });
    const good = serving([around.peerCa.authority], { sequence: 5n });
    world.peer.misbehave({
      answer: (socket, request, reset) => {
        keepAlive(good)(socket, request, reset);
        smuggled(socket, request, reset);
      },
    });
    expect(await world.poll()).toBe('unchanged');
    world.peer.misbehave({ answer: answers.status(503) });
    expect(await world.poll()).toBe('failed status-refused');
    expect(world.agents.trusted()).toEqual([around.peerCa.authority.fingerprint]);
  });
});
