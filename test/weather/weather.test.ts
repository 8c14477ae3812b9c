import { createServer, type RequestListener } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { startBackend, startFrontend, startInfo } from '../../src/demonstration/weather/index.ts';

const LOOPBACK = { host: '127.0.0.1', port: 0 };
const stops: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function running<Service extends { stop(): Promise<void> }>(
  starting: Promise<Service>,
): Promise<Service> {
  const service = await starting;
  stops.push(() => service.stop());
  return service;
}

/** Plays a sidecar: sends the answer of the test. */
async function sidecar(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  stops.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function weatherWith(listener: RequestListener): Promise<Record<string, unknown>> {
  const backend = await running(startBackend({ listen: LOOPBACK, infoUrl: await sidecar(listener) }));
  const response = await fetch(`${backend.url}/weather`);
  expect(response.status).toBe(200);
  return (await response.json()) as Record<string, unknown>;
}

describe('startInfo()', () => {
  it('names the SPIFFE ID from its sidecar, and reports when there is none', async () => {
    const info = await running(startInfo({ listen: LOOPBACK }));
    const header = 'By=spiffe://b.example/info;Hash=00;URI=spiffe://a.example/backend';
    const known = await fetch(`${info.url}/remarks`, { headers: { 'x-forwarded-client-cert': header } });
    expect(await known.json()).toMatchObject({ caller: 'spiffe://a.example/backend' });
    const unknown = await fetch(`${info.url}/remarks`);
    expect(await unknown.json()).toMatchObject({ caller: 'a caller without a certificate' });
  });

  it('answers 404 and 405 where they belong', async () => {
    const info = await running(startInfo({ listen: LOOPBACK }));
    expect((await fetch(`${info.url}/other`)).status).toBe(404);
    expect((await fetch(`${info.url}/remarks`, { method: 'POST' })).status).toBe(405);
  });
});

describe('startBackend()', () => {
  it('passes on the remark and who called', async () => {
    const report = await weatherWith((_request, response) =>
      response.end('{"text":"hello","caller":"spiffe://a/b"}'),
    );
    expect(report['remark']).toEqual({ text: 'hello', caller: 'spiffe://a/b' });
    expect(report).not.toHaveProperty('remarkMissing');
  });

  it.each([
    [
      'the reason of the sidecar',
      ((_request, response) =>
        response
          .writeHead(503)
          .end('{"code":"no-bundle","message":"there is no bundle of b.example"}')) as RequestListener,
      { code: 'no-bundle', message: 'there is no bundle of b.example' },
    ],
    [
      'that an answer made no sense',
      ((_request, response) => response.end('<html>')) as RequestListener,
      { code: 'upstream-broken' },
    ],
    [
      'that an answer was endless',
      ((_request, response) => response.end('x'.repeat(300_000))) as RequestListener,
      { code: 'upstream-unreachable' },
    ],
    [
      'that the sidecar broke off',
      ((request) => request.socket.destroy()) as RequestListener,
      { code: 'upstream-unreachable' },
    ],
  ])('shows %s instead of the remark, and the weather anyway', async (_what, listener, reason) => {
    const report = await weatherWith(listener);
    expect(report['remarkMissing']).toMatchObject(reason);
    expect(report['weather']).toHaveLength(4);
  });
});

describe('startFrontend()', () => {
  /** The page of a frontend with `listener` as its backend, as text. */
  async function pageWith(listener: RequestListener, timeoutMs?: number): Promise<string> {
    const backendUrl = await sidecar(listener);
    const frontend = await running(
      startFrontend({ listen: LOOPBACK, backendUrl, ...(timeoutMs === undefined ? {} : { timeoutMs }) }),
    );
    const page = await fetch(frontend.url);
    expect(page.status).toBe(200);
    return page.text();
  }

  it('serves a page that runs no script but its own', async () => {
    const backendUrl = await sidecar((_request, response) => response.end('{}'));
    const frontend = await running(startFrontend({ listen: LOOPBACK, backendUrl }));
    const page = await fetch(frontend.url);
    expect(page.headers.get('content-security-policy')).toMatch(/default-src 'none'; script-src 'self'/);
    expect((await page.text()).match(/<script.*/g)).toEqual(['<script src="/page.js" defer></script>']);
    const script = await (await fetch(`${frontend.url}/page.js`)).text();
    expect(script).not.toMatch(/innerHTML|insertAdjacentHTML|document\.write/);
  });

  it('has the weather and the remark in its first answer', async () => {
    const info = await running(startInfo({ listen: LOOPBACK }));
    const backend = await running(startBackend({ listen: LOOPBACK, infoUrl: info.url }));
    const frontend = await running(startFrontend({ listen: LOOPBACK, backendUrl: backend.url }));
    const text = await (await fetch(frontend.url)).text();
    expect(text).toContain('<div class="place">Lisbon</div>');
    expect(text).toContain('<div class="wind">Sunny, wind 14 km/h</div>');
    expect(text).toContain('>Remark from the info service</h2>');
    expect(text).toContain('Take a coat');
    expect(text).not.toMatch(/Asking|undefined/);
  });

  it('shows why the remark is missing, as a sentence', async () => {
    const text = await pageWith((_request, response) =>
      response.end('{"weather":[],"remarkMissing":{"code":"no-bundle","message":"there is no bundle of b"}}'),
    );
    expect(text).toContain('No remark: the info service cannot be called');
    expect(text).toContain('There is no bundle of b.</p>');
    expect(text).toContain('Reason: no-bundle');
  });

  it('waits for a silent backend only within its limit, and then reports it', async () => {
    const text = await pageWith(() => {}, 50);
    expect(text).toContain('The backend cannot be called');
    expect(text).toContain('no answer within 0.05 s.');
  });

  it.each([
    ['an error of the backend', '{"code":"broken","message":"it is broken"}', 500, 'It is broken.'],
    ['an answer without sense', '{"weather":[7,{"place":1}],"remark":{},"x":1}', 200, 'Unknown.'],
  ])('shows %s', async (_what, body, status, sentence) => {
    expect(await pageWith((_request, response) => response.writeHead(status).end(body))).toContain(sentence);
  });

  it('shows text of other services as text, never as markup', async () => {
    const hostile = `<img src=x onerror="alert('1')">&`;
    const report = {
      weather: [{ place: hostile, sky: hostile, celsius: 1, wind_kmh: 1 }],
      remark: { text: hostile, caller: hostile },
    };
    const text = await pageWith((_request, response) => response.end(JSON.stringify(report)));
    expect(text).not.toContain('<img');
    expect(text).toContain('&#60;img src=x onerror=&#34;alert(&#39;1&#39;)&#34;&#62;&#38;');
  });

  it('passes on the weather, and reports when the backend cannot be called', async () => {
    const good = await sidecar((_request, response) => response.end('{"weather":[]}'));
    const working = await running(startFrontend({ listen: LOOPBACK, backendUrl: good }));
    expect(await (await fetch(`${working.url}/api/weather`)).json()).toEqual({ weather: [] });
    const broken = await running(startFrontend({ listen: LOOPBACK, backendUrl: 'http://127.0.0.1:1' }));
    const answer = await fetch(`${broken.url}/api/weather`);
    expect(answer.status).toBe(502);
    expect(await answer.json()).toMatchObject({ code: 'upstream-unreachable' });
  });

  it('names the port that is in use', async () => {
    const first = await running(startInfo({ listen: LOOPBACK }));
    const port = Number(new URL(first.url).port);
    await expect(startInfo({ listen: { host: '127.0.0.1', port } })).rejects.toMatchObject({
      code: 'port-in-use',
    });
  });
});
