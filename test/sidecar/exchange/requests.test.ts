import { once } from 'node:events';
import { request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { pathOf } from '../../../src/demonstration/sidecar/exchange/exchange-records.ts';
import { World } from '../support.ts';
import {
  caller,
  closedPort,
  calledSidecar,
  callingSidecar,
  info,
  lines,
  pair,
  rawServer,
  sayTo,
} from '../pair.ts';

const TIMEOUTS = { connectMs: 1000, idleMs: 10_000, requestMs: 30_000 };
const problem = (body: string) => JSON.parse(body).code;

describe('The access log', () => {
  it('has one line on each side with the other identity, and neither query nor secrets', async () => {
    await using world = new World();
    const { ask } = await pair(world, (incoming, response) => incoming.pipe(response), {
      both: { accessLog: true, traceContext: true },
    });
    await ask({
      method: 'POST',
      path: '/remarks/today?token=hunter2#hunter2',
      body: 'hello',
      headers: { authorization: 'Bearer hunter2', cookie: 'session=hunter2' },
    });
    await expect.poll(() => lines(world, 'request').length).toBe(2);
    const [inbound, outbound] = ['inbound', 'outbound'].map((direction) =>
      lines(world, 'request').find((line) => line['direction'] === direction),
    );
    const both = {
      method: 'POST',
      path: '/remarks/today',
      status: 200,
      requestBytes: 5,
      answerBytes: 5,
      attempts: 1,
    };
    expect(inbound).toMatchObject({ ...both, peer: caller.id, parentSpanId: outbound?.['spanId'] });
    expect(outbound).toMatchObject({
      ...both,
      peer: info.id,
      upstream: 'info',
      traceId: inbound?.['traceId'],
    });
    expect(outbound?.['parentSpanId']).toBeUndefined();
    expect(JSON.stringify(lines(world, 'request'))).not.toContain('hunter2');
  });

  it('names neither user nor host of an absolute target', async () => {
    await using world = new World();
    const { out } = await pair(world, (_, response) => response.end('x'), { both: { accessLog: true } });
    await sayTo(
      world,
      out,
      `GET http://user:hunter2@other.example/p?q HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
    );
    await expect.poll(() => lines(world, 'request').length).toBeGreaterThan(0);
    for (const line of lines(world, 'request')) expect(line['path']).toBe('/p');
    expect(JSON.stringify(lines(world, 'request'))).not.toMatch(/hunter2|other\.example/);
  });

  it('writes nothing unless it is asked to, and counts in any case', async () => {
    await using world = new World();
    const { ask, called, calling } = await pair(world, (_, response) => response.writeHead(404).end());
    expect((await ask()).status).toBe(404);
    await expect
      .poll(() => called.metrics.render())
      .toContain('requests_total{direction="inbound",outcome="4xx"} 1');
    expect(await calling.metrics.render()).toContain('requests_total{direction="outbound",outcome="4xx"} 1');
    expect(lines(world, 'request')).toEqual([]);
  });

  it('says which side broke a call off', async () => {
    await using world = new World();
    const { out } = await pair(
      world,
      (_, response) => {
        response.writeHead(200, { 'content-length': '100' });
        response.write('only a part');
        response.once('close', () => {});
        setImmediate(() => response.destroy());
      },
      { both: { accessLog: true } },
    );
    const outgoing = request({ host: '127.0.0.1', port: out, agent: false }).end();
    outgoing.on('error', () => {});
    const [answer] = await once(outgoing, 'response');
    answer.on('error', () => {});
    await new Promise((resolve) => answer.resume().once('close', resolve));
    await expect
      .poll(() => lines(world, 'request').map((line) => line['code']))
      .toEqual(['broken-off', 'broken-off']);
  });
});

describe('pathOf()', () => {
  it.each([
    ['/a/b?c=d', '/a/b'],
    ['/a#b', '/a'],
    ['http://u:p@h/a?b', '/a'],
    ['http://u:p@h', '-'],
    ['*', '-'],
    ['host:443', '-'],
    [undefined, '-'],
    ['/a\u009b31m', '/a\ufffd31m'],
    [`/${'x'.repeat(600)}`, `/${'x'.repeat(510)}…`],
  ])('shows %j as %j', (target, shown) => {
    expect(pathOf(target)).toBe(shown);
  });
});

describe('The trace context', () => {
  it('goes on through both sidecars; without the setting headers pass untouched', async () => {
    await using world = new World();
    const seen: unknown[] = [];
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    for (const traceContext of [true, false]) {
      const { ask } = await pair(
        world,
        ({ headers }, response) => {
          seen.push(headers['traceparent'], headers['tracestate']);
          response.end();
        },
        { both: { traceContext } },
      );
      await ask({ headers: { traceparent, tracestate: 'a=b' } });
      await ask({ headers: { traceparent: 'malformed', tracestate: 'a=b' } });
    }
    expect(seen).toEqual([
      expect.stringMatching(/^00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)[0-9a-f]{16}-01$/),
      'a=b',
      expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-03$/),
      undefined,
      traceparent,
      'a=b',
      'malformed',
      'a=b',
    ]);
  });
});

describe('Timeouts', () => {
  it('end a call to a workload that hangs: silence first, where that limit is the lower', async () => {
    await using world = new World();
    let asked = () => {};
    const arrived = new Promise<void>((resolve) => (asked = resolve));
    const { ask } = await pair(world, () => asked(), { inbound: { timeouts: TIMEOUTS } });
    const answer = ask();
    await arrived;
    await world.clock.advance(TIMEOUTS.idleMs);
    const { status, body } = await answer;
    expect([status, problem(body)]).toEqual([502, 'peer-silent']);
  });

  it.each([
    'inbound',
    'outbound',
  ] as const)('end a call to a workload that sends slow bytes for ever, on the %s side', async (side) => {
    await using world = new World();
    let drip: (() => void) | undefined;
    const { out } = await pair(
      world,
      (_, response) => {
        drip = () => response.write('.');
        drip();
      },
      { [side]: { timeouts: TIMEOUTS } },
    );
    const outgoing = request({ host: '127.0.0.1', port: out, agent: false }).end();
    outgoing.on('error', () => {});
    const [answer] = await once(outgoing, 'response');
    answer.on('error', () => {});
    let heard = 0;
    answer.on('data', () => (heard += 1));
    for (let second = 0; second < 25; second += 5) {
      const before = heard;
      drip?.();
      await expect.poll(() => heard).toBeGreaterThan(before);
      await world.clock.advance(5000);
    }
    expect(answer.destroyed).toBe(false);
    const ended = new Promise((resolve) => answer.once('close', resolve));
    await world.clock.advance(5000);
    await ended;
    expect(answer.complete).toBe(false);
  });

  it('answer 504 where the whole call takes too long, and free its place', async () => {
    await using world = new World();
    let asked = () => {};
    const arrived = new Promise<void>((resolve) => (asked = resolve));
    const { ask } = await pair(world, () => asked(), {
      outbound: { timeouts: { ...TIMEOUTS, idleMs: 60_000 } },
      both: { accessLog: true },
    });
    const answer = ask();
    await arrived;
    await world.clock.advance(TIMEOUTS.requestMs);
    const { status, body } = await answer;
    expect([status, problem(body)]).toEqual([504, 'request-timeout']);
    await expect
      .poll(() => lines(world, 'request').map(({ direction, code }) => [direction, code]))
      .toEqual(
        expect.arrayContaining([
          ['outbound', 'request-timeout'],
          ['inbound', 'broken-off'],
        ]),
      );
  });

  it('end the wait for a workload that takes no connection', async () => {
    await using world = new World();
    const { sidecar } = await calledSidecar(world, await closedPort(), { inbound: { timeouts: TIMEOUTS } });
    const { ask } = await callingSidecar(world, sidecar.inbound?.address().port ?? 0);
    expect(problem((await ask()).body)).toBe('workload-unreachable');
  });

  it('end the wait for a sidecar that takes the connection and never begins TLS', async () => {
    await using world = new World();
    const silent = await rawServer(world, () => {});
    const { ask } = await callingSidecar(world, silent, {
      outbound: { timeouts: { ...TIMEOUTS, connectMs: 50 } },
    });
    const { status, body } = await ask();
    expect([status, problem(body)]).toEqual([503, 'handshake-timeout']);
  });
});

describe('A workload that misbehaves', () => {
  it.each([
    [
      'resets the connection',
      (world: World) => rawServer(world, (socket) => socket.resetAndDestroy()),
      'workload-unreachable',
    ],
    [
      'sends more headers than are read',
      (world: World) =>
        rawServer(world, (socket) => socket.end(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`)),
      'workload-unreachable',
    ],
    [
      'answers without end of its head',
      (world: World) => rawServer(world, (socket) => socket.end('HTTP/1.1 200 OK\r\nx: y\r\n')),
      'workload-unreachable',
    ],
  ])('and %s becomes 502, and the next call works', async (_, serve, code) => {
    await using world = new World();
    const { sidecar } = await calledSidecar(world, await serve(world));
    const { ask } = await callingSidecar(world, sidecar.inbound?.address().port ?? 0);
    for (let turn = 0; turn < 2; turn += 1) {
      const { status, body } = await ask({ method: 'POST', body: 'x'.repeat(100_000) });
      expect([status, problem(body)]).toEqual([502, code]);
    }
  });
});
