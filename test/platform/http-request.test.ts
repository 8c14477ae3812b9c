import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { callHttp } from '../../src/platform/index.ts';
import { pemFromCertificates } from '../../src/spiffe/index.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { createTestCa } from '../../testkit/test-ca.ts';

const LONG = { notBefore: new Date('2001-01-01T00:00:00Z'), notAfter: new Date('2090-01-01T00:00:00Z') };
const LIMITS = { maxBytes: 100, timeoutMs: 60_000 };

const stops: (() => unknown)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0).reverse()) stop();
});

async function serve(answer: RequestListener, server: Server = createServer(answer)): Promise<URL> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  stops.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/base`);
}

describe('callHttp()', () => {
  it('sends method, headers and JSON, and gives status, headers and body', async () => {
    const to = await serve((request, response) => {
      let sent = '';
      request.setEncoding('utf8').on('data', (part: string) => {
        sent += part;
      });
      request.on('end', () => {
        const { method, url, headers } = request;
        const [type, token] = [headers['content-type'], headers['x-token']];
        response.writeHead(418, { 'x-index': '7' }).end(JSON.stringify({ method, url, type, token, sent }));
      });
    });
    const answer = await callHttp(
      { method: 'PUT', to, headers: { 'x-token': 't' }, json: { é: 1 } },
      { ...LIMITS, maxBytes: 1000 },
    );
    expect(answer).toMatchObject({ status: 418, headers: { 'x-index': '7' } });
    expect(JSON.parse(answer.body.toString())).toEqual({
      method: 'PUT',
      url: '/base',
      type: 'application/json',
      token: 't',
      sent: '{"é":1}',
    });
  });

  it('asks a server behind a Unix socket, with the path as it is', async () => {
    const folder = tempDir();
    stops.push(() => folder[Symbol.dispose]());
    const socketPath = folder.file('s.sock');
    const server = createServer((request, response) => response.end(request.url));
    await once(server.listen(socketPath), 'listening');
    stops.push(() => server.close());
    const answer = await callHttp({ to: { socketPath, path: '/v1/../x' } }, LIMITS);
    expect(answer.body.toString()).toBe('/v1/../x');
  });

  it('speaks TLS with the trust of its connection only', async () => {
    const ca = await createTestCa({ trustDomain: 'a.example', ...LONG });
    const leaf = await ca.issueLeaf({ dnsSans: ['localhost'], ...LONG });
    const tls = createTlsServer({ cert: leaf.certPem, key: leaf.keyPem }, (_, response) =>
      response.end('yes'),
    );
    const { port } = await serve(() => {}, tls);
    const to = new URL(`https://localhost:${port}/`);
    await expect(callHttp({ to }, LIMITS)).rejects.toMatchObject({
      code: expect.stringMatching(/CERT|SIGN/),
    });
    const connection = { ca: pemFromCertificates([ca.root]) };
    expect((await callHttp({ to, connection }, LIMITS)).body.toString()).toBe('yes');
  });

  it('takes an answer of just as many bytes as it may have, and refuses a longer one', async () => {
    const to = await serve((request, response) =>
      response.end('x'.repeat(request.url === '/base' ? 100 : 101)),
    );
    expect((await callHttp({ to }, LIMITS)).body).toHaveLength(100);
    await expect(callHttp({ to: new URL('/more', to) }, LIMITS)).rejects.toMatchObject({
      code: 'answer-too-large',
    });
  });

  it('ends an answer that never ends, by its bytes', async () => {
    const to = await serve((_, response) => {
      const more = () => response.write('x'.repeat(1000), more);
      more();
    });
    await expect(callHttp({ to }, LIMITS)).rejects.toMatchObject({ code: 'answer-too-large' });
  });

  it.each([
    ['headers', 0],
    ['the rest of the body', 1],
  ])('gives up at the time limit where %s do not come', async (_, written) => {
    const clock = new TestClock(new Date('2026-01-01T00:00:00Z'));
    let closed: Promise<unknown> | undefined;
    const asked = Promise.withResolvers<void>();
    const to = await serve((request, response) => {
      closed = new Promise((resolve) => request.socket.once('close', resolve));
      if (written > 0) response.write('x');
      asked.resolve();
    });
    const answer = callHttp({ to }, { ...LIMITS, clock }).catch((error: unknown) => error);
    await asked.promise;
    await clock.advance(60_000);
    expect(await answer).toMatchObject({ code: 'answer-late', message: 'no answer within 60 s' });
    await closed;
    expect(clock.waits()).toEqual([]);
  });

  it('rejects with the reason of its signal', async () => {
    const to = await serve(() => {});
    const stop = new AbortController();
    const answer = callHttp({ to, signal: stop.signal }, LIMITS);
    stop.abort(new Error('the agent stops'));
    await expect(answer).rejects.toThrow('the agent stops');
    await expect(callHttp({ to, signal: stop.signal }, LIMITS)).rejects.toThrow('the agent stops');
  });

  it('follows no redirect, and rejects an answer that breaks off', async () => {
    const to = await serve((request, response) => {
      if (request.url === '/base') response.writeHead(302, { location: '/other' }).end();
      else response.writeHead(200, { 'content-length': '50' }).write('half', () => response.destroy());
    });
    expect((await callHttp({ to }, LIMITS)).status).toBe(302);
    await expect(callHttp({ to: new URL('/other', to) }, LIMITS)).rejects.toMatchObject({
      code: 'ECONNRESET',
    });
  });

  it('rejects a header that cannot be sent', async () => {
    const to = await serve((_, response) => response.end());
    await expect(callHttp({ to, headers: { 'x-token': 'a\nb' } }, LIMITS)).rejects.toMatchObject({
      code: 'ERR_INVALID_CHAR',
    });
  });
});
