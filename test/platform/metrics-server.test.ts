import { once } from 'node:events';
import { get } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createMetricsServer, type WarningCounts } from '../../src/platform/metrics-server.ts';
import { createMetrics } from '../../src/platform/index.ts';
import { hostileToTls, swarm } from '../../testkit/hostile-clients.ts';
import { captureHello } from '../../testkit/capture-hello.ts';

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await once(server.close(), 'close');
  return port;
}

async function start(ready: () => boolean = () => true, warnings?: () => Promise<WarningCounts>) {
  const notReady = () => (ready() ? undefined : 'the mesh is silent');
  const metrics = createMetrics({ processMetrics: false });
  metrics.counter('federate_test_total', 'A counter').inc({});
  const port = await freePort();
  const server = createMetricsServer({ host: '127.0.0.1', port }, metrics, notReady, warnings);
  await server.start();
  stops.push(() => server.stop());
  const ask = async (path: string): Promise<readonly [status: number | undefined, body: string]> => {
    const [response] = await once(get({ host: '127.0.0.1', port, path, agent: false }), 'response');
    let body = '';
    for await (const part of response) body += part;
    return [response.statusCode, body];
  };
  return { port, metrics, ask };
}

describe('createMetricsServer()', () => {
  it('serves the numbers, liveness and readiness, and nothing else', async () => {
    let ready = false;
    const { ask } = await start(() => ready);
    expect(await ask('/healthz')).toEqual([503, 'not ready\n']);
    expect(await ask('/readyz')).toEqual([503, 'not ready: the mesh is silent\n']);
    expect(await ask('/livez')).toEqual([200, 'alive\n']);
    ready = true;
    expect(await ask('/healthz')).toEqual([200, 'ready\n']);
    expect(await ask('/readyz')).toEqual([200, 'ready\n']);
    expect(await ask('/livez')).toEqual([200, 'alive\n']);
    const [status, numbers] = await ask('/metrics');
    expect(status).toBe(200);
    expect(numbers).toContain('federate_test_total 1');
    expect(await ask('/')).toEqual([404, '']);
  });

  it('names the codes of warnings and how many there are of each, ready or not', async () => {
    const { ask } = await start(
      () => true,
      async () => new Map([['offer-waits', 2]]),
    );
    expect(await ask('/healthz')).toEqual([200, 'ready\nwarning offer-waits 2\n']);
  });

  it('names the port that is in use', async () => {
    const { port, metrics } = await start();
    const second = createMetricsServer({ host: '127.0.0.1', port }, metrics, () => undefined);
    await expect(second.start()).rejects.toMatchObject({ code: 'port-in-use' });
    await second.stop();
  });

  it('is not disturbed by clients that speak TLS, noise or nothing, and stops while they are connected', async () => {
    const { port, ask } = await start();
    for (const [, client] of hostileToTls(await captureHello({ servername: 'a.example' })))
      stops.push(...(await swarm(3, client, port)).map((socket) => () => socket.destroy()));
    expect((await ask('/healthz'))[0]).toBe(200);
  });
});
