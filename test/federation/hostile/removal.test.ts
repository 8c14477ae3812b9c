import { statSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { createAdminClient } from '../../../src/admin-client/index.ts';
import { AdminServer } from '../../../src/admin/index.ts';
import { stubAdmin } from '../../../testkit/admin-handlers.ts';
import { answers } from '../../../testkit/fake-peer.ts';
import { hostileAnswers } from '../../../testkit/hostile-answers.ts';
import type { Surroundings } from '../../../testkit/hostile-identities.ts';
import type { Deed } from '../../../testkit/hostile-peer.ts';
import { parseTrustDomain } from '../../../src/spiffe/index.ts';
import { receptions } from '../../../testkit/hostile-receptions.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';
import { createTestCa, type TestCa } from '../../../testkit/test-ca.ts';
import { peerName } from '../agent-world.ts';
import { createSurroundings, HostileWorld, otherName, serving } from './hostile-world.ts';

let around: Surroundings;
let next: TestCa;

beforeAll(async () => {
  around = await createSurroundings();
  next = await createTestCa({ trustDomain: peerName, subject: 'CN=Next' });
});

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** The admin socket of this world, for what `federate remove` does. */
async function adminOf({ agents }: HostileWorld, path: string) {
  const server = new AdminServer({
    path,
    ...stubAdmin(agents.store, {
      'DELETE /v1/relationships/{trust_domain}': async ({ params, query: { reason }, actor }) => {
        const trustDomain = parseTrustDomain(params.trust_domain);
        await agents.federation.relationships.remove(trustDomain, { actor, reason });
        return { trust_domain: trustDomain, removed: true, in_mesh: null, note: null };
      },
    }),
  });
  await server.start();
  const client = createAdminClient({ socketPath: path, operator: 'tester', timeoutMs: 5000 });
  return { client, [Symbol.asyncDispose]: () => server.stop() };
}

const newer = () => serving([around.peerCa.authority, next.authority], { sequence: 6n });

/** Where a poll can be when `federate remove` lands. */
const stages: readonly (readonly [at: string, deed: () => Deed, requests: number])[] = [
  ['in the handshake', () => ({ reception: receptions.hangDuringTls() }), 0],
  ['before the head', () => ({ answer: answers.silence() }), 1],
  ['in the head', () => ({ answer: hostileAnswers.breakInHead('hang') }), 1],
  ['in the body', () => ({ answer: hostileAnswers.hangInBody('{"keys":[]}'.padEnd(1000)) }), 1],
  [
    'behind a redirect',
    () => ({ answer: answers.byPath({ '/': answers.redirect(302, '/slow'), '/slow': answers.silence() }) }),
    2,
  ],
  ['at a name that is not found', () => ({ answer: answers.redirect(302, 'https://silent.example/') }), 1],
];

describe('A poll in flight when `federate remove` lands leaves no trace (FED-59, invariant 10)', () => {
  it.each(stages)('%s', async (_at, deed, requests) => {
    using folder = tempDir();
    await using world = await HostileWorld.start(around);
    const { agents, peer } = world;
    const { store } = agents;
    const socketPath = folder.file('admin.sock');
    await using admin = await adminOf(world, socketPath);
    expect(statSync(socketPath).mode & 0o777).toBe(0o600);
    expect(statSync(socketPath).isSocket()).toBe(true);

    const history = await store.history(peerName);
    const events = await world.events();
    const announced = agents.changes.length;
    peer.misbehave(deed());
    const connections = peer.fake.connections;
    peer.fake.requests.length = 0;
    const polling = agents.poll();
    await peer.fake.until((fake) => fake.connections > connections && fake.requests.length >= requests);
    for (let count = 0; count < 100; count += 1) await turn();

    expect(
      await admin.client.call('DELETE /v1/relationships/{trust_domain}', {
        params: { trust_domain: peerName },
        query: { reason: 'no longer wanted' },
      }),
    ).toEqual({
      trust_domain: peerName,
      removed: true,
      note: null,
      in_mesh: null,
    });
    expect(await polling).toBe('called-off');
    // Whatever the peer still says is said to nobody.
    await peer.fake.until(({ openConnections }) => openConnections === 0);
    peer.misbehave({ answer: newer() });
    const asked = peer.fake.connections;
    await agents.clock.advance(3_600_000);

    expect(peer.fake.connections).toBe(asked);
    expect((await store.relationships()).map(({ trustDomain }) => trustDomain)).toEqual([otherName]);
    expect((await store.currentAll()).map(({ trustDomain }) => trustDomain)).toEqual([otherName]);
    expect(await store.history(peerName)).toEqual(history);
    expect(await world.events()).toEqual([...events, 'relationship-removed']);
    expect(await store.incidents({ trustDomain: peerName })).toEqual([]);
    expect(agents.changes.slice(announced)).toEqual([[peerName, undefined]]);
    expect(agents.trusted()).toBeUndefined();
    await expect(
      admin.client.call('GET /v1/relationships/{trust_domain}', { params: { trust_domain: peerName } }),
    ).rejects.toMatchObject({ code: 'not-federated' });
  });

  it('a write that had begun neither delays the removal nor brings anything back', async () => {
    using folder = tempDir();
    await using world = await HostileWorld.start(around);
    const { agents, peer } = world;
    await using admin = await adminOf(world, folder.file('admin.sock'));
    const replaceCurrent = agents.store.replaceCurrent.bind(agents.store);
    let write = () => {};
    const writing = new Promise<void>((resolve) => {
      agents.store.replaceCurrent = async (replacement) => {
        resolve();
        await new Promise<void>((go) => (write = go));
        return replaceCurrent(replacement);
      };
    });
    peer.misbehave({ answer: newer() });
    const polling = agents.poll();
    await writing;
    const removing = admin.client.call('DELETE /v1/relationships/{trust_domain}', {
      params: { trust_domain: peerName },
    });
    for (let count = 0; count < 100; count += 1) await turn();
    // The trust goes first; the removal then waits a while for the poll to end.
    expect(await agents.store.relationship(peerName)).toBeUndefined();
    expect(agents.trusted()).toBeUndefined();
    write();
    await Promise.all([polling, removing]);
    expect(agents.trusted()).toBeUndefined();
    expect(await agents.store.current(peerName)).toBeUndefined();
    expect(await agents.store.relationship(peerName)).toBeUndefined();
    expect((await world.events()).slice(-2)).toContain('relationship-removed');
    expect(agents.changes.at(-1)).toEqual([peerName, undefined]);
  });

  it('a write where another writer was faster is not tried again', async () => {
    using folder = tempDir();
    await using world = await HostileWorld.start(around);
    const { agents, peer } = world;
    await using admin = await adminOf(world, folder.file('admin.sock'));
    const history = await agents.store.history(peerName);
    let tries = 0;
    let removing: Promise<unknown> = Promise.resolve();
    const replaceCurrent = agents.store.replaceCurrent.bind(agents.store);
    agents.store.replaceCurrent = async (replacement) => {
      tries += 1;
      if (tries > 1) return replaceCurrent(replacement);
      removing = admin.client.call('DELETE /v1/relationships/{trust_domain}', {
        params: { trust_domain: peerName },
      });
      for (let count = 0; count < 100; count += 1) await turn();
      return 'conflict';
    };
    peer.misbehave({ answer: newer() });
    expect(await agents.poll()).toBe('called-off');
    await removing;
    expect(tries).toBe(1);
    expect(await agents.store.history(peerName)).toEqual(history);
    expect((await world.events()).at(-1)).toBe('relationship-removed');
  });
});
