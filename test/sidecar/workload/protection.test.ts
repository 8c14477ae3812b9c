import type { RequestListener } from 'node:http';
import { describe, expect, it } from 'vitest';
import { call, World } from '../support.ts';
import { calledSidecar, caller, callingSidecar, closedPort, lines, other, pair, rawServer } from '../pair.ts';

const HEALTH = { path: '/healthz', intervalMs: 5000, timeoutMs: 2000, healthyAfter: 2, unhealthyAfter: 2 };

const problem = (body: string) => JSON.parse(body).code;

describe('The health check of the workload', () => {
  it('refuses calls while it is unhealthy, in all places where others look', async () => {
    await using world = new World();
    let status = 200;
    const checked: (string | undefined)[] = [];
    const { ask, called } = await pair(
      world,
      (incoming, response) => {
        if (incoming.url === '/healthz') checked.push(incoming.headers['user-agent']);
        response.writeHead(incoming.url === '/healthz' ? status : 200).end('from the workload');
      },
      { inbound: { healthCheck: HEALTH } },
    );
    const state = () => [called.sidecar.ready, called.sidecar.problem?.includes('/healthz')];
    await expect.poll(state).toEqual([true, undefined]);
    expect(await ask()).toMatchObject({ status: 200, body: 'from the workload' });
    expect(await called.metrics.render()).toContain('federate_sidecar_workload_healthy 1');

    status = 500;
    for (let turn = 2; turn <= 3; turn += 1) {
      await world.clock.advance(HEALTH.intervalMs);
      await expect.poll(() => checked.length).toBe(turn);
    }
    await expect.poll(state).toEqual([false, true]);
    const refused = await ask();
    expect([refused.status, problem(refused.body)]).toEqual([503, 'workload-unhealthy']);
    expect(await called.metrics.render()).toContain('federate_sidecar_workload_healthy 0');

    status = 204;
    for (let turn = 4; turn <= 5; turn += 1) {
      await world.clock.advance(HEALTH.intervalMs);
      await expect.poll(() => checked.length).toBe(turn);
    }
    await expect.poll(state).toEqual([true, undefined]);
    expect((await ask()).status).toBe(200);
    expect(new Set(checked)).toEqual(new Set(['federate-sidecar']));
    expect(lines(world, 'workload unhealthy')).toHaveLength(1);
    expect(lines(world, 'workload healthy')).toHaveLength(2);
  });

  it.each([
    ['resets each connection', (world: World) => rawServer(world, (socket) => socket.resetAndDestroy())],
    ['speaks something else', (world: World) => rawServer(world, (socket) => socket.end('SSH-2.0-x\r\n'))],
    ['redirects', (world: World) => world.workload((_, response) => response.writeHead(302).end())],
    [
      'switches the protocol',
      (world: World) =>
        rawServer(world, (socket) =>
          socket.end('HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'),
        ),
    ],
    [
      'sends endless headers',
      (world: World) =>
        rawServer(world, (socket) => socket.write(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(50_000)}`)),
    ],
    ['does not listen', () => closedPort()],
  ])('finds a workload unhealthy that %s', async (_, serve) => {
    await using world = new World();
    const { sidecar } = await calledSidecar(world, await serve(world), { inbound: { healthCheck: HEALTH } });
    await expect.poll(() => sidecar.problem).toMatch(/GET \/healthz/);
    const { ask } = await callingSidecar(world, sidecar.inbound?.address().port ?? 0);
    expect(problem((await ask()).body)).toBe('workload-unhealthy');
  });

  it('finds a workload unhealthy that hangs, after its timeout, and a body never matters', async () => {
    await using world = new World();
    let asked = 0;
    let hangs = true;
    const workload = await world.workload((_, response) => {
      asked += 1;
      if (!hangs) response.writeHead(200).write('and never an end');
    });
    const { sidecar } = await calledSidecar(world, workload, { inbound: { healthCheck: HEALTH } });
    await expect.poll(() => asked).toBe(1);
    expect(sidecar.problem).toContain('not checked yet');
    await world.clock.advance(HEALTH.timeoutMs);
    await expect.poll(() => sidecar.problem).toContain('not answered within 2000 ms');
    hangs = false;
    for (let turn = 2; turn <= 3; turn += 1) {
      await world.clock.advance(HEALTH.intervalMs);
      await expect.poll(() => asked).toBe(turn);
    }
    await expect.poll(() => sidecar.ready).toBe(true);
  });

  it('makes the sidecar of a caller leave the endpoint out', async () => {
    await using world = new World();
    const { ask, calling } = await pair(world, (_, response) => response.writeHead(500).end(), {
      inbound: { healthCheck: HEALTH },
      outbound: {
        outlierDetection: {
          consecutiveFailures: 2,
          ejectionMs: 1000,
          maxEjectionMs: 1000,
          maxEjectedShare: 1,
        },
      },
    });
    for (const code of ['workload-unhealthy', 'workload-unhealthy', 'no-usable-endpoint'])
      expect(problem((await ask()).body)).toBe(code);
    expect(await calling.metrics.render()).toContain('endpoints_ejected{upstream="info"} 1');
  });

  it('ends with the sidecar', async () => {
    await using world = new World();
    let asked = 0;
    const workload = await world.workload((_, response) => {
      asked += 1;
      response.end();
    });
    const { sidecar } = await calledSidecar(world, workload, { inbound: { healthCheck: HEALTH } });
    await expect.poll(() => sidecar.ready).toBe(true);
    await sidecar.stop();
    await world.clock.advance(HEALTH.intervalMs * 3);
    expect(asked).toBe(1);
  });
});

describe('The rate limit', () => {
  const callerRates = { requestsPerSecond: 1, burst: 2, callers: new Map(), maxCallers: 10 };

  it('is for each identity, and no flood of one is felt by another', async () => {
    await using world = new World();
    let seen = 0;
    const workload = await world.workload((_, response) => {
      seen += 1;
      response.end('good');
    });
    const { sidecar } = await calledSidecar(world, workload, {
      inbound: { callerRates },
      called: { accessLog: true },
    });
    const port = sidecar.inbound?.address().port ?? 0;
    const flood = await callingSidecar(world, port);
    const honest = await callingSidecar(world, port, {}, other);
    const answers = await Promise.all(Array.from({ length: 30 }, () => call(flood.out)));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused).toHaveLength(28);
    expect(refused[0]?.headers['retry-after']).toBe('1');
    expect(problem(refused[0]?.body ?? '')).toBe('rate-limited');
    expect((await honest.ask()).status).toBe(200);
    expect(seen).toBe(3);
    const peers = lines(world, 'request').filter(({ code }) => code === 'rate-limited');
    expect(new Set(peers.map(({ peer }) => peer))).toEqual(new Set([caller.id]));
    await world.clock.advance(1000);
    expect([(await flood.ask()).status, (await flood.ask()).status]).toEqual([200, 429]);
  });

  it('refuses before the body was read, and the connection stays usable', async () => {
    await using world = new World();
    const { ask, called } = await pair(world, (incoming, response) => incoming.pipe(response), {
      inbound: { callerRates },
    });
    const body = 'x'.repeat(1_000_000);
    const statuses = [];
    for (let turn = 0; turn < 4; turn += 1) statuses.push((await ask({ method: 'POST', body })).status);
    expect(statuses).toEqual([200, 200, 429, 429]);
    await world.clock.advance(1000);
    expect((await ask()).status).toBe(200);
    expect(await called.metrics.render()).toContain(
      'requests_total{direction="inbound",outcome="rate-limited"} 2',
    );
  });
});

describe('The limit of requests to the workload', () => {
  it('refuses what is above it, and takes requests again when there is a place', async () => {
    await using world = new World();
    const held: (() => void)[] = [];
    const listener: RequestListener = (_, response) => held.push(() => response.end('late'));
    const { ask } = await pair(world, listener, { inbound: { maxRequests: 1 } });
    const first = ask();
    await expect.poll(() => held.length).toBe(1);
    const refused = await ask();
    expect([refused.status, problem(refused.body)]).toEqual([503, 'max-requests-reached']);
    held[0]?.();
    expect((await first).status).toBe(200);
    const next = ask();
    await expect.poll(() => held.length).toBe(2);
    held[1]?.();
    expect((await next).status).toBe(200);
  });
});
