import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHostLookup } from '../../src/federation/fetch/host-lookup.ts';
import { FakeNameServer } from '../../testkit/fake-name-server.ts';

const { signal } = new AbortController();
const known = { 'peer.example': '127.0.0.9', 'agent.mesh.local': '127.0.0.10' };

let server: FakeNameServer;

beforeEach(async () => {
  server = await FakeNameServer.start(known, (question) => question.endsWith('silent.example'));
});

afterEach(() => server[Symbol.asyncDispose]());

function lookup(local: { hosts?: [string, string[]][]; search?: string[]; minDots?: number } = {}) {
  const { hosts = [], search = [], minDots = 1 } = local;
  return createHostLookup({
    servers: [server.server],
    localNames: () => Promise.resolve({ addresses: new Map(hosts), searchDomains: search, minDots }),
  });
}

describe('createHostLookup()', () => {
  it('asks the name servers for both families', async () => {
    expect(await lookup()('Peer.example', signal)).toEqual(['127.0.0.9']);
    expect(server.questions.toSorted()).toEqual(['A peer.example', 'AAAA peer.example']);
  });

  it('goes by the hosts file first, and knows localhost without asking', async () => {
    const find = lookup({ hosts: [['peer.example', ['127.0.0.2', '::1']]] });
    expect(await find('peer.example', signal)).toEqual(['127.0.0.2', '::1']);
    expect(await find('peer.example.', signal)).toEqual(['127.0.0.2', '::1']);
    expect(await find('localhost', signal)).toEqual(['127.0.0.1', '::1']);
    expect(await find('a.localhost', signal)).toEqual(['127.0.0.1', '::1']);
    expect(server.questions).toEqual([]);
  });

  it('completes short names with the search domains, in the order of resolv.conf', async () => {
    expect(await lookup({ search: ['x.local', 'mesh.local'] })('agent', signal)).toEqual(['127.0.0.10']);
    expect(server.questions.filter((question) => question.startsWith('A '))).toEqual([
      'A agent.x.local',
      'A agent.mesh.local',
    ]);
    expect(await lookup({ search: ['local'] })('agent.mesh', signal)).toEqual(['127.0.0.10']);
    server.questions.length = 0;
    expect(await lookup({ search: ['local'], minDots: 5 })('peer.example', signal)).toEqual(['127.0.0.9']);
    expect(server.questions).toContain('A peer.example.local');
    await expect(lookup({ search: ['local'] })('agent.mesh.', signal)).rejects.toMatchObject({
      code: 'ENOTFOUND',
    });
  });

  it('says that a name is not there', async () => {
    await expect(lookup()('nobody.example', signal)).rejects.toMatchObject({ code: 'ENOTFOUND' });
  });

  it('takes no more than eight addresses', async () => {
    const many = Array.from({ length: 50 }, (_, index) => `127.0.1.${index}`);
    expect(await lookup({ hosts: [['many.example', many]] })('many.example', signal)).toHaveLength(8);
  });

  it('ends with the signal while a name server is silent', async () => {
    const controller = new AbortController();
    const looking = lookup()('silent.example', controller.signal);
    controller.abort();
    await expect(looking).rejects.toHaveProperty('code');
  });

  it('finds others at once while many name servers are silent: no lookup holds a thread', async () => {
    const controller = new AbortController();
    const find = lookup();
    // getaddrinfo has four threads at most, and two for lookups.
    const silent = Array.from({ length: 64 }, (_, index) =>
      find(`${index}.silent.example`, controller.signal).then(
        () => 'found',
        () => 'ended',
      ),
    );
    while (server.questions.length < 128) await new Promise((resolve) => setImmediate(resolve));
    const first = await Promise.race([...silent, find('peer.example', signal)]);
    expect(first).toEqual(['127.0.0.9']);
    controller.abort();
    expect(new Set(await Promise.all(silent))).toEqual(new Set(['ended']));
  });
});
