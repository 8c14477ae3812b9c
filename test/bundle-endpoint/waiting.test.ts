import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createBundleRoutes } from '../../src/bundle-endpoint/routes.ts';
import { publishedBundle, type PublishedBundle } from '../../src/bundle-endpoint/published-bundle.ts';
import { WaitingClients } from '../../src/bundle-endpoint/waiting-clients.ts';
import { bundleOf } from '../../src/spiffe/index.ts';
import { createTestCa, type TestCa } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';

describe('createBundleRoutes() and Prefer: wait (RFC 7240)', () => {
  let ca: TestCa;
  let clock: TestClock;
  let clients: WaitingClients;
  let current: PublishedBundle;
  let proving: Promise<string | undefined>;
  const publish = (sequence: bigint) => {
    current = publishedBundle(
      bundleOf(ca.trustDomain, [ca.authority], { sequence, refreshHintSeconds: 300 }),
    );
    void clients.wakeAll();
  };
  const ask = async (prefer: string, tag = current.etag, method = 'GET') => {
    const headers = { prefer, ...(tag === '' ? {} : { 'if-none-match': tag }) };
    const request = new Request('https://a.example/', { method, headers });
    const client = { connection: {}, address: '192.0.2.1', prove: () => proving };
    return createBundleRoutes('/', () => current, clients).fetch(request, { client });
  };
  const seen = ({ status, headers }: Response) => [status, headers.get('preference-applied')];

  beforeEach(async () => {
    ca = await createTestCa({ trustDomain: 'a.example' });
    clock = new TestClock(new Date('2030-01-01T12:00:00Z'));
    clients = new WaitingClients(clock, { most: 1, mostPerAddress: 10 });
    proving = Promise.resolve(undefined);
    publish(1n);
  });
  afterEach(() => clients.close());

  it('holds a request for the bundle the client has until there is another, and gives that', async () => {
    const answer = ask('wait=60');
    await clock.untilSleeping(1);
    expect(clients.count).toBe(1);
    publish(2n);
    const response = await answer;
    expect(seen(response)).toEqual([200, 'wait=60']);
    expect(response.headers.get('etag')).toBe(current.etag);
    expect(response.headers.get('vary')).toBe('prefer');
    expect(await response.text()).toContain('"spiffe_sequence":2');
  });

  it('answers 304 when the time is up', async () => {
    const answer = ask('wait=60');
    await clock.untilSleeping(1);
    await clock.advance(60_000);
    expect(seen(await answer)).toEqual([304, 'wait=60']);
  });

  it('says without waiting that it would, where there is something new or nothing to wait for', async () => {
    expect(seen(await ask('wait=60', '"other"'))).toEqual([200, 'wait=60']);
    expect(seen(await ask('wait=60', ''))).toEqual([200, 'wait=60']);
    expect(seen(await ask('wait=0'))).toEqual([304, 'wait=0']);
    expect(seen(await ask('wait=60', current.etag, 'HEAD'))).toEqual([304, 'wait=60']);
  });

  it('gives the newest bundle where it changed while the client was being proved', async () => {
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    proving = promise;
    const answer = ask('wait=60');
    publish(2n);
    resolve('b.example');
    expect(seen(await answer)).toEqual([200, 'wait=60']);
    expect(clients.count).toBe(0);
  });

  it('answers at once, and does not say that it waited, without room or such a wish', async () => {
    const answer = ask('wait=60');
    await clock.untilSleeping(1);
    expect(seen(await ask('wait=60'))).toEqual([304, null]);
    expect(seen(await ask('respond-async'))).toEqual([304, null]);
    clients.close();
    expect(seen(await answer)).toEqual([304, 'wait=60']);
  });
});
