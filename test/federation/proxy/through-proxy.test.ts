import { writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createForbiddenRanges } from '../../../src/federation/fetch/address-guard.ts';
import { FetchError } from '../../../src/federation/fetch/errors.ts';
import { fetchBundle, type FetchRequest } from '../../../src/federation/fetch/fetch-bundle.ts';
import { defaultFetchLimits } from '../../../src/federation/fetch/fetch-limits.ts';
import { createHostLookup } from '../../../src/federation/fetch/host-lookup.ts';
import { defaultRedirectSettings } from '../../../src/federation/fetch/redirects.ts';
import { createSpiffeVerifier } from '../../../src/mtls/index.ts';
import {
  BundleSet,
  bundleOf,
  parseSpiffeId,
  parseTrustDomain,
  serializeBundle,
} from '../../../src/spiffe/index.ts';
import { answers, FakePeer, type FakePeerIdentity } from '../../../testkit/fake-peer.ts';
import { FakeProxy } from '../../../testkit/fake-proxy.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';
import { TestClock } from '../../../testkit/test-clock.ts';
import { type Authority, createAuthority } from '../authority.ts';
import { AgentWorld, addWithBundle } from '../agent-world.ts';

const now = new Date();
const trustDomain = parseTrustDomain('peer.example');
const endpointId = parseSpiffeId('spiffe://peer.example/endpoint');
/** No name server has it: only the proxy makes an address of it. */
const NAME = 'endpoint.behind-the-proxy.example';

let webCa: Authority;
let root: Authority;
let webIdentity: FakePeerIdentity;
let svid: FakePeerIdentity;
let document: string;

beforeAll(async () => {
  [webCa, root] = await Promise.all([createAuthority('web ca', now), createAuthority('peer root', now)]);
  webIdentity = await webCa.web([NAME]);
  svid = await root.svid(endpointId);
  document = Buffer.from(serializeBundle(bundleOf(trustDomain, [root.x509], { sequence: 1n }))).toString();
});

let peer: FakePeer;
let proxy: FakeProxy;
let clock: TestClock;

beforeEach(async () => {
  clock = new TestClock(now);
  peer = await FakePeer.start(webIdentity);
  proxy = await FakeProxy.start();
  peer.answer = answers.document(document);
});

afterEach(async () => {
  await proxy[Symbol.asyncDispose]();
  await peer.close();
  if (clock.waits().length > 0) throw new Error('a deadline was left behind');
});

function request(rest: Partial<FetchRequest> = {}): FetchRequest {
  return {
    trustDomain,
    clock,
    profile: { kind: 'https_web' },
    webPkiCaPem: webCa.pem,
    endpointUrl: peer.url('/', NAME),
    verifier: createSpiffeVerifier({ bundles: new BundleSet([bundleOf(trustDomain, [root.x509])]), clock }),
    lookup: createHostLookup(),
    limits: defaultFetchLimits,
    redirects: defaultRedirectSettings,
    proxy: proxy.route(),
    signal: new AbortController().signal,
    ...rest,
  };
}

async function refusal(fetching: Promise<unknown>): Promise<FetchError> {
  const outcome = await fetching.catch((error: unknown) => error);
  if (!(outcome instanceof FetchError)) throw new Error('expected a refusal');
  return outcome;
}

describe('fetchBundle() through a proxy', () => {
  it('lets the proxy resolve the name, and verifies the endpoint by Web PKI through the tunnel', async () => {
    const outcome = await fetchBundle(request());
    expect(outcome.kind === 'document' && Buffer.from(outcome.body).toString()).toBe(document);
    const target = `${NAME}:${peer.port}`;
    expect(proxy.seen).toEqual([{ target, headers: { host: target, 'user-agent': 'federate' } }]);
    expect(peer.requests).toMatchObject([{ serverName: NAME }]);
    // What the proxy passes on is TLS: nothing of the request is readable.
    expect(Buffer.concat(proxy.passed).toString('latin1')).not.toContain('GET /');
  });

  it('verifies an X509-SVID through the tunnel', async () => {
    peer.become(svid);
    const profile = { kind: 'https_spiffe', endpointId } as const;
    const outcome = await fetchBundle(request({ profile, webPkiCaPem: undefined }));
    expect(outcome.kind).toBe('document');
    expect(proxy.seen).toHaveLength(1);
  });

  it('refuses a proxy that stands in for the endpoint, in both profiles, before any request', async () => {
    const stranger = await createAuthority('stranger', now);
    peer.become(await stranger.web([NAME]));
    expect((await refusal(fetchBundle(request()))).code).toBe('web-certificate-refused');
    peer.become(await stranger.svid(endpointId));
    const profile = { kind: 'https_spiffe', endpointId } as const;
    expect((await refusal(fetchBundle(request({ profile, webPkiCaPem: undefined })))).code).toBe(
      'svid-refused',
    );
    expect(peer.requests).toEqual([]);
  });

  it('shows credentials to the proxy, and not to the endpoint', async () => {
    using folder = tempDir();
    writeFileSync(folder.file('proxy'), 'ann:secret\n', { mode: 0o600 });
    await fetchBundle(request({ proxy: proxy.route({ credentialsFile: folder.file('proxy') }) }));
    const expected = `Basic ${Buffer.from('ann:secret').toString('base64')}`;
    expect(proxy.seen[0]?.headers['proxy-authorization']).toBe(expected);
    expect(peer.requests[0]?.headers).not.toHaveProperty('proxy-authorization');
  });

  it('connects directly to hosts that need no proxy', async () => {
    peer.become(await webCa.web(['localhost']));
    const endpointUrl = peer.url('/', 'localhost');
    await fetchBundle(request({ endpointUrl, proxy: proxy.route({ exempt: ['localhost'] }) }));
    expect(proxy.seen).toEqual([]);
  });

  it('follows a redirect through the proxy', async () => {
    await using other = await FakePeer.start(webIdentity);
    other.answer = answers.document(document);
    peer.answer = answers.redirect(302, other.url('/', NAME));
    expect((await fetchBundle(request())).kind).toBe('document');
    expect(proxy.seen.map(({ target }) => target)).toEqual([`${NAME}:${peer.port}`, `${NAME}:${other.port}`]);
  });

  it.each([
    ['https://127.0.0.1/', 'redirect-refused'],
    ['https://[::1]/', 'redirect-refused'],
    ['https://localhost/', 'redirect-refused'],
    ['https://a.localhost./', 'redirect-refused'],
    ['https://10.0.0.1/', 'redirect-refused'],
    ['https://169.254.169.254/', 'redirect-refused'],
  ])('asks the proxy for no address inside that a redirect names: %s', async (target, code) => {
    peer.answer = answers.redirect(302, target);
    expect((await refusal(fetchBundle(request()))).code).toBe(code);
    expect(proxy.seen).toHaveLength(1);
  });

  it('holds addresses in the URL against the forbidden ranges, and the proxy itself not', async () => {
    const guard = createForbiddenRanges(['127.0.0.0/8', '10.0.0.0/8']);
    expect((await fetchBundle(request({ guard }))).kind).toBe('document');
    for (const host of ['127.0.0.1', '10.9.8.7', '[::ffff:10.9.8.7]', 'localhost', '169.254.169.254']) {
      const endpointUrl = `https://${host}/`;
      expect((await refusal(fetchBundle(request({ guard, endpointUrl })))).code).toBe('address-forbidden');
    }
    expect(proxy.seen).toHaveLength(1);
  });
});

describe('fetchBundle() through a proxy that does not serve', () => {
  const sends = (text: string) => (socket: Socket) => void socket.end(text);
  const established = 'HTTP/1.1 200 OK\r\n\r\n';

  it.each<[string, (socket: Socket) => void, string, string]>([
    [
      'wants credentials',
      sends('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n'),
      'proxy-refused',
      'with status 407: it wants credentials, and federation.proxy.credentials_file names none',
    ],
    ['forbids the target', sends('HTTP/1.0 403 Forbidden\r\n\r\n<html>'), 'proxy-refused', 'with status 403'],
    [
      'redirects',
      sends('HTTP/1.1 302 Found\r\nLocation: https://a.example/\r\n\r\n'),
      'proxy-refused',
      '302',
    ],
    ['cannot connect', sends('HTTP/1.1 502 Bad Gateway\r\n\r\n'), 'proxy-refused', 'with status 502'],
    ['sends garbage', sends('SSH-2.0-OpenSSH\r\n'), 'proxy-answer-invalid', 'it is not HTTP'],
    ['sends HTTP/2', sends('HTTP/2 200\r\n\r\n'), 'proxy-answer-invalid', 'it is not HTTP'],
    ['sends a status without a number', sends('HTTP/1.1 OK\r\n\r\n'), 'proxy-answer-invalid', 'not HTTP'],
    ['closes at once', (socket) => void socket.destroy(), 'proxy-answer-invalid', ''],
    [
      'closes in the middle',
      sends('HTTP/1.1 200 OK\r\nVia: '),
      'proxy-answer-invalid',
      'closed the connection',
    ],
    ['resets', (socket) => void socket.resetAndDestroy(), 'proxy-answer-invalid', ''],
    [
      'sends headers without end',
      sends(`HTTP/1.1 200 OK\r\nX-Much: ${'x'.repeat(20_000)}`),
      'proxy-answer-invalid',
      'longer than 16384 bytes',
    ],
    [
      'sends interim answers without end',
      sends('HTTP/1.1 100 Continue\r\n\r\n'.repeat(1000)),
      'proxy-answer-invalid',
      'longer than 16384 bytes',
    ],
    [
      'sends bytes of its own first',
      sends(`${established}\u0016\u0003`),
      'proxy-answer-invalid',
      'bytes follow',
    ],
    ['closes after its answer', sends(established), 'tls-failed', ''],
  ])('says that the proxy %s', async (_what, answer, code, why) => {
    proxy.answer = answer;
    const { code: found, message } = await refusal(fetchBundle(request()));
    expect([found, message]).toEqual([code, expect.stringContaining(why)]);
    expect(peer.connections).toBe(0);
  });

  it('says that the proxy does not accept the credentials, and does not repeat them', async () => {
    using folder = tempDir();
    writeFileSync(folder.file('proxy'), 'ann:secret\n', { mode: 0o600 });
    proxy.answer = sends('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
    const route = proxy.route({ credentialsFile: folder.file('proxy') });
    const { code, message } = await refusal(fetchBundle(request({ proxy: route })));
    expect([code, message]).toEqual([
      'proxy-refused',
      expect.stringContaining('does not accept the credentials'),
    ]);
    expect(message).not.toContain('secret');
  });

  it('passes over an interim answer', async () => {
    proxy.established = `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${established}`;
    expect((await fetchBundle(request())).kind).toBe('document');
  });

  it('gives up on a proxy that says nothing, or only drips, after the time of a connection', async () => {
    for (const drip of ['', 'HTTP/1.1 200 OK\r\nVia: a']) {
      const reached = new Promise<void>((resolve) => {
        proxy.answer = (socket) => {
          socket.write(drip);
          resolve();
        };
      });
      const fetching = refusal(fetchBundle(request()));
      await reached;
      await clock.untilSleeping();
      await clock.advance(defaultFetchLimits.connectMs);
      expect((await fetching).code).toBe('proxy-timeout');
    }
  });

  it('is called off while the proxy is waited for, and leaves no connection', async () => {
    const calledOff = new AbortController();
    proxy.answer = () => calledOff.abort();
    expect((await refusal(fetchBundle(request({ signal: calledOff.signal })))).code).toBe('called-off');
  });

  it('says that the proxy cannot be reached, by number or by name', async () => {
    const free = createServer();
    const port = await new Promise<number>((resolve) =>
      free.listen(0, '127.0.0.1', () => resolve((free.address() as { port: number }).port)),
    );
    await new Promise((resolve) => free.close(resolve));
    const at = (url: string) => request({ proxy: { url: new URL(url), exempt: [] } });
    const { code, message } = await refusal(fetchBundle(at(`http://127.0.0.1:${port}`)));
    expect([code, message]).toEqual(['proxy-unreachable', expect.stringContaining(`127.0.0.1:${port}`)]);
    const nameless = {
      ...at('http://proxy.example:1'),
      lookup: () => Promise.reject(new Error('no such name')),
    };
    expect((await refusal(fetchBundle(nameless))).code).toBe('proxy-unreachable');
    expect(peer.connections).toBe(0);
  });
});

describe('Federation through a proxy', () => {
  it('bootstraps, polls and has its requests held through the proxy', async () => {
    peer.become(svid);
    peer.answer = answers.document(document, { etag: '"1"', 'preference-applied': 'wait' });
    await using world = await AgentWorld.start(now, { proxy: proxy.route() });
    await world.federation.relationships.add({
      ...addWithBundle(peer, [root]),
      endpointUrl: peer.url('/', NAME),
    });
    await peer.until(({ requests }) =>
      requests.some(({ headers }) => Number(/wait=(\d+)/.exec(headers['prefer'] ?? '')?.[1]) > 0),
    );
    expect(world.state()).toBe('active');
    expect(proxy.seen.length).toBe(peer.connections);
  });
});
