import { request, type RequestListener } from 'node:http';
import { describe, expect, it } from 'vitest';
import type { Endpoint, OutboundOptions } from '../../../src/demonstration/sidecar/index.ts';
import { fixedUpstream } from '../../../src/demonstration/sidecar/index.ts';
import { call, outboundTo, World } from '../support.ts';
import { calledSidecar, callingSidecar, closedPort, info, lines, pair, rawServer } from '../pair.ts';

const OUTLIERS = { consecutiveFailures: 3, ejectionMs: 30_000, maxEjectionMs: 60_000, maxEjectedShare: 0.5 };
const RETRIES = {
  attempts: 2,
  statuses: new Set([502, 503, 504]),
  backoffMs: 25,
  maxBackoffMs: 1000,
  budget: { ratio: 1, minPerSecond: 100 },
};

const problem = (body: string) => JSON.parse(body).code;

/** Moves time on until the call is over, so that each wait before a retry ends. */
async function withTime<Result>(world: World, calling: Promise<Result>): Promise<Result> {
  let isOver = false;
  const done = calling.finally(() => (isOver = true));
  while (!isOver) {
    if (world.clock.waits().some((ms) => ms <= RETRIES.maxBackoffMs))
      await world.clock.advance(RETRIES.maxBackoffMs);
    else await new Promise((resolve) => setImmediate(resolve));
  }
  return await done;
}

/** An upstream of several endpoints, each a sidecar before a workload. */
async function several(
  world: World,
  workloads: readonly RequestListener[],
  outbound: Partial<OutboundOptions>,
) {
  const ports = [];
  for (const workload of workloads) {
    const { sidecar } = await calledSidecar(world, await world.workload(workload));
    ports.push(sidecar.inbound?.address().port ?? 0);
  }
  return await toPorts(world, ports, outbound);
}

async function toPorts(world: World, ports: readonly number[], outbound: Partial<OutboundOptions>) {
  const endpoints = ports.map(
    (port): Endpoint => ({ address: '127.0.0.1', port, serverName: 'x', spiffeIds: [info.id], priority: 0 }),
  );
  const upstream = fixedUpstream({ name: 'info', endpoints });
  return await callingSidecar(world, 0, {
    outbound: { ...outboundTo(0), upstream, ...outbound },
    calling: { accessLog: true },
  });
}

const says =
  (text: string, status = 200): RequestListener =>
  (incoming, response) => {
    incoming.resume().once('end', () => response.writeHead(status).end(text));
  };
const attempts = (world: World) => lines(world, 'request').map((line) => line['attempts']);

describe('Outlier detection', () => {
  it.each([
    ['answers 500', says('broken', 500)],
    ['answers 503', says('busy', 503)],
    ['resets each connection', ((incoming) => incoming.socket.resetAndDestroy()) satisfies RequestListener],
    [
      'breaks its answers off',
      ((_, response) => {
        response.writeHead(200, { 'content-length': '100' });
        response.write('part', () => response.destroy());
      }) satisfies RequestListener,
    ],
  ])('leaves out an endpoint that %s, for a time', async (_, broken) => {
    await using world = new World();
    const { ask, metrics } = await several(world, [broken, says('good')], { outlierDetection: OUTLIERS });
    const bodies = async (count: number) => {
      const heard = [];
      for (let turn = 0; turn < count; turn += 1)
        heard.push((await ask().catch(() => ({ body: 'broke' }))).body);
      return heard;
    };
    expect((await bodies(6)).filter((body) => body === 'good')).toHaveLength(3);
    expect(new Set(await bodies(6))).toEqual(new Set(['good']));
    expect(await metrics.render()).toContain('federate_sidecar_endpoints_ejected{upstream="info"} 1');
    await world.clock.advance(OUTLIERS.ejectionMs);
    // One request tries it, fails, and it is out for longer.
    expect((await bodies(6)).filter((body) => body !== 'good')).toHaveLength(1);
    await world.clock.advance(OUTLIERS.ejectionMs);
    expect(new Set(await bodies(6))).toEqual(new Set(['good']));
    expect(lines(world, 'endpoint ejected').map((line) => line['forMs'])).toEqual([30_000, 60_000]);
    expect(await metrics.render()).toContain('federate_sidecar_ejections_total{upstream="info"} 2');
  });

  it('opens the circuit of an only endpoint where the share allows it, and says so at once', async () => {
    await using world = new World();
    let asked = 0;
    let status = 500;
    const { ask } = await pair(
      world,
      (_, response) => {
        asked += 1;
        response.writeHead(status).end();
      },
      { outbound: { outlierDetection: { ...OUTLIERS, maxEjectedShare: 1 } } },
    );
    for (let turn = 0; turn < 3; turn += 1) expect((await ask()).status).toBe(500);
    const answer = await ask();
    expect([answer.status, problem(answer.body), asked]).toEqual([503, 'no-usable-endpoint', 3]);
    status = 200;
    await world.clock.advance(OUTLIERS.ejectionMs);
    expect((await ask()).status).toBe(200);
  });

  it('keeps an only endpoint in by default, and does not blame it for faults of the caller', async () => {
    await using world = new World();
    const { ask } = await pair(world, says('bad request', 400), {
      outbound: { outlierDetection: { ...OUTLIERS, maxEjectedShare: 1 } },
    });
    for (let turn = 0; turn < 6; turn += 1) expect((await ask()).status).toBe(400);
    const alone = await pair(world, says('broken', 500), { outbound: { outlierDetection: OUTLIERS } });
    for (let turn = 0; turn < 6; turn += 1) expect((await alone.ask()).status).toBe(500);
  });
});

describe('Retries', () => {
  it('try an idempotent request without a body elsewhere, after a reset and after 503', async () => {
    await using world = new World();
    const resets: RequestListener = (incoming) => incoming.socket.resetAndDestroy();
    for (const broken of [resets, says('busy', 503)]) {
      const { ask } = await several(world, [broken, says('good')], { retries: RETRIES });
      for (let turn = 0; turn < 4; turn += 1)
        expect(await withTime(world, ask({ method: 'DELETE' }))).toMatchObject({ status: 200, body: 'good' });
    }
    expect(attempts(world).filter((count) => count === 2)).toHaveLength(4);
  });

  it('never send anything twice that may have had an effect, or whose body is gone', async () => {
    await using world = new World();
    let seen = 0;
    const { ask } = await pair(
      world,
      (incoming) => {
        seen += 1;
        incoming.socket.resetAndDestroy();
      },
      { outbound: { retries: RETRIES } },
    );
    for (const what of [{ method: 'POST' }, { method: 'PATCH', body: 'x' }, { method: 'PUT', body: 'x' }]) {
      seen = 0;
      expect((await withTime(world, ask(what))).status).toBe(502);
      expect(seen).toBe(1);
    }
    expect((await withTime(world, ask({ method: 'PUT' }))).status).toBe(502);
    expect(seen).toBe(4);
  });

  it('send any request elsewhere while its first byte was not sent, body included', async () => {
    await using world = new World();
    const workload = await world.workload((incoming, response) => incoming.pipe(response));
    const { sidecar } = await calledSidecar(world, workload);
    const plain = await rawServer(world, (socket) => socket.resetAndDestroy());
    const good = sidecar.inbound?.address().port ?? 0;
    const { ask } = await toPorts(world, [await closedPort(), plain, good], { retries: RETRIES });
    const body = 'x'.repeat(200_000);
    for (let turn = 0; turn < 3; turn += 1)
      expect(await withTime(world, ask({ method: 'POST', body }))).toMatchObject({ status: 200, body });
  });

  it('stop at the number of attempts, and pass the last answer on', async () => {
    await using world = new World();
    let seen = 0;
    const { ask, calling } = await pair(
      world,
      (_, response) => {
        seen += 1;
        response.writeHead(503).end('busy');
      },
      { outbound: { retries: RETRIES } },
    );
    expect(await withTime(world, ask())).toMatchObject({ status: 503, body: 'busy' });
    expect(seen).toBe(3);
    expect(await calling.metrics.render()).toContain(
      'federate_sidecar_retries_total{upstream="info",outcome="sent"} 2',
    );
  });

  it('stop at the budget, so that a flood does not become several', async () => {
    await using world = new World();
    let seen = 0;
    const { ask, calling } = await pair(
      world,
      (_, response) => {
        seen += 1;
        response.writeHead(503).end();
      },
      { outbound: { retries: { ...RETRIES, budget: { ratio: 0.2, minPerSecond: 0 } } } },
    );
    for (let turn = 0; turn < 50; turn += 1) await withTime(world, ask());
    expect(seen).toBeLessThanOrEqual(60);
    expect(seen).toBeGreaterThan(55);
    expect(await calling.metrics.render()).toMatch(
      /retries_total\{upstream="info",outcome="over-budget"\} \d\d/,
    );
  });

  it('end with the time of the whole request', async () => {
    await using world = new World();
    const { ask } = await toPorts(world, [await closedPort()], {
      retries: { ...RETRIES, attempts: 10, backoffMs: 60_000, maxBackoffMs: 60_000 },
      timeouts: { connectMs: 1000, idleMs: 300_000, requestMs: 10 },
    });
    const answer = ask();
    let isOver = false;
    void answer.finally(() => (isOver = true));
    while (!isOver) {
      await world.clock.advance(10);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect([504, 503]).toContain((await answer).status);
    expect(['request-timeout', 'connect-failed']).toContain(problem((await answer).body));
  });
});

describe('Circuit breaking', () => {
  /** A workload that holds every request until it is released. */
  function holding() {
    const held: (() => void)[] = [];
    const listener: RequestListener = (_, response) => held.push(() => response.end('late'));
    return { held, listener };
  }

  it('refuses requests over the limit at once, and takes them again when there is a place', async () => {
    await using world = new World();
    const { held, listener } = holding();
    const { ask } = await pair(world, listener, {
      outbound: { limits: { maxConnections: 64, maxPending: 64, maxRequests: 2 } },
    });
    const waiting = [ask(), ask()];
    await expect.poll(() => held.length).toBe(2);
    const refused = await ask();
    expect([refused.status, problem(refused.body)]).toEqual([503, 'max-requests-reached']);
    for (const release of held.splice(0)) release();
    expect((await Promise.all(waiting)).map(({ body }) => body)).toEqual(['late', 'late']);
    const next = ask();
    await expect.poll(() => held.length).toBe(1);
    held[0]?.();
    expect((await next).status).toBe(200);
  });

  it('opens at most so many connections, lets so many wait, and refuses the others', async () => {
    await using world = new World();
    const { held, listener } = holding();
    const { out, called } = await pair(world, listener, {
      outbound: { limits: { maxConnections: 1, maxPending: 2, maxRequests: 64 } },
    });
    const first = call(out);
    await expect.poll(() => held.length).toBe(1);
    const others = Array.from({ length: 5 }, () => call(out));
    const refused = await Promise.all(
      [0, 1, 2].map(async (index) => {
        await expect.poll(() => lines(world, 'call failed').length).toBeGreaterThan(index);
        return lines(world, 'call failed')[index]?.['code'];
      }),
    );
    expect(refused).toEqual(Array.from({ length: 3 }, () => 'max-pending-reached'));
    let answered = 0;
    const all = [first, ...others].map((each) => each.finally(() => (answered += 1)));
    while (answered < 6) {
      held.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    const statuses = (await Promise.all(all)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(3);
    expect(statuses.filter((status) => status === 503)).toHaveLength(3);
    expect(await called.metrics.render()).toContain(
      'connections_total{direction="inbound",outcome="accepted"} 1',
    );
  });

  it('opens no connection too many for requests that come while the first is made', async () => {
    await using world = new World();
    const { out, called } = await pair(world, says('good'), {
      outbound: { limits: { maxConnections: 1, maxPending: 64, maxRequests: 64 } },
    });
    const answers = await Promise.all(Array.from({ length: 20 }, () => call(out)));
    expect(new Set(answers.map(({ body }) => body))).toEqual(new Set(['good']));
    expect(await called.metrics.render()).toContain(
      'connections_total{direction="inbound",outcome="accepted"} 1',
    );
  });

  it('gives the place back when the caller goes away', async () => {
    await using world = new World();
    const { held, listener } = holding();
    const { out } = await pair(world, listener, {
      outbound: { limits: { maxConnections: 4, maxPending: 4, maxRequests: 1 } },
      both: { accessLog: true },
    });
    const gone = request({ host: '127.0.0.1', port: out, agent: false }).end();
    gone.on('error', () => {});
    await expect.poll(() => held.length).toBe(1);
    gone.destroy();
    await expect.poll(() => lines(world, 'request').length).toBe(2);
    const next = call(out);
    await expect.poll(() => held.length).toBe(2);
    held[1]?.();
    expect((await next).status).toBe(200);
  });
});
