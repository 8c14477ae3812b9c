import { beforeAll, describe, expect, it } from 'vitest';
import type { Endpoint, UpstreamSource } from '../../../src/demonstration/sidecar/index.ts';
import { Listeners } from '../../../src/platform/index.ts';
import { createTestCa, type TestCa } from '../../../testkit/test-ca.ts';
import { call, perDomain, type TestLeaf, World } from '../support.ts';

let a: TestCa;
let caller: TestLeaf;
let first: TestLeaf;
let second: TestLeaf;
beforeAll(async () => {
  a = await createTestCa({ trustDomain: 'a.example' });
  [caller, first, second] = await Promise.all([
    a.issueLeaf({ path: '/caller' }),
    a.issueLeaf({ path: '/first' }),
    a.issueLeaf({ path: '/second' }),
  ]);
});

const loopback = (port = 0) => ({ host: '127.0.0.1', port });

/** An upstream whose endpoints the test changes. */
class ChangingUpstream implements UpstreamSource {
  readonly name = 'info';
  readonly #listeners = new Listeners();
  readonly onChange = this.#listeners.add;
  #endpoints: readonly Endpoint[] = [];

  current() {
    return { name: this.name, endpoints: this.#endpoints };
  }

  set(...endpoints: Endpoint[]): void {
    this.#endpoints = endpoints;
    this.#listeners.notify();
  }
}

async function twoServers(world: World) {
  const serve = async (leaf: TestLeaf) => {
    const workload = await world.workload((_, response) => response.end(leaf.id));
    const { sidecar } = await world.sidecar(leaf, perDomain(a.bundle()), {
      inbound: { listen: loopback(), forwardTo: loopback(workload), allow: [caller.id] },
    });
    const endpoint: Endpoint = {
      address: '127.0.0.1',
      port: sidecar.inbound?.address().port ?? 0,
      serverName: 'info.test',
      spiffeIds: [leaf.id],
      priority: 0,
    };
    return endpoint;
  };
  const endpoints = [await serve(first), await serve(second)] as const;
  const upstream = new ChangingUpstream();
  const { sidecar } = await world.sidecar(caller, perDomain(a.bundle()), {
    outbound: [{ listen: loopback(), upstream }],
  });
  const ask = async () => await call(sidecar.outbound[0]?.address().port ?? 0);
  return { upstream, endpoints, ask };
}

describe('The endpoints of an upstream', () => {
  it('may come, change and go at run time', async () => {
    await using world = new World();
    const { upstream, endpoints, ask } = await twoServers(world);
    const [one, two] = endpoints;
    expect(await ask()).toMatchObject({ status: 503, body: expect.stringContaining('"no-endpoint"') });
    upstream.set(one);
    expect((await ask()).body).toBe(first.id);
    upstream.set(one, two);
    expect(new Set([(await ask()).body, (await ask()).body])).toEqual(new Set([first.id, second.id]));
    upstream.set({ ...one, priority: 1 }, two);
    expect([(await ask()).body, (await ask()).body]).toEqual([second.id, second.id]);
    upstream.set();
    expect(await ask()).toMatchObject({ status: 503, body: expect.stringContaining('"no-endpoint"') });
  });

  it('are proved again when the expected identity changes, kept connections too', async () => {
    await using world = new World();
    const { upstream, endpoints, ask } = await twoServers(world);
    const [one] = endpoints;
    upstream.set(one);
    expect((await ask()).status).toBe(200);
    upstream.set({ ...one, spiffeIds: [second.id] });
    expect(await ask()).toMatchObject({
      status: 503,
      body: expect.stringContaining('"peer-not-authorized"'),
    });
  });
});
