import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FetchError } from '../../src/federation/fetch/errors.ts';
import {
  fetchBundle,
  type FetchOutcome,
  type FetchRequest,
} from '../../src/federation/fetch/fetch-bundle.ts';
import { defaultFetchLimits } from '../../src/federation/fetch/fetch-limits.ts';
import { createHostLookup, type HostLookup } from '../../src/federation/fetch/host-lookup.ts';
import { defaultRedirectSettings } from '../../src/federation/fetch/redirects.ts';
import { createSpiffeVerifier } from '../../src/mtls/index.ts';
import {
  BundleSet,
  bundleOf,
  parseSpiffeId,
  parseTrustDomain,
  serializeBundle,
} from '../../src/spiffe/index.ts';
import { type Answer, answers, FakePeer, type FakePeerIdentity } from '../../testkit/fake-peer.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { type Authority, createAuthority } from './authority.ts';
import { BlockedPort } from './blocked-port.ts';

const now = new Date();
const trustDomain = parseTrustDomain('peer.example');
const endpointId = parseSpiffeId('spiffe://peer.example/endpoint');
const web = { kind: 'https_web' } as const;
const spiffe = { kind: 'https_spiffe', endpointId } as const;

let webCa: Authority;
let root: Authority;
let otherRoot: Authority;
let webIdentity: FakePeerIdentity;
let svid: FakePeerIdentity;
let document: string;

beforeAll(async () => {
  [webCa, root, otherRoot] = await Promise.all([
    createAuthority('web ca', now),
    createAuthority('peer root', now),
    createAuthority('other root', now),
  ]);
  webIdentity = await webCa.web(['localhost']);
  svid = await root.svid(endpointId);
  document = Buffer.from(serializeBundle(bundleOf(trustDomain, [root.x509], { sequence: 1n }))).toString();
});

let peer: FakePeer;
let clock: TestClock;

beforeEach(async () => {
  clock = new TestClock(now);
  peer = await FakePeer.start(webIdentity);
  peer.answer = answers.document(document);
});

afterEach(async () => {
  // Whatever happened, nothing of ours stays open.
  await peer.until(({ openConnections }) => openConnections === 0);
  if (clock.waits().length > 0) throw new Error('a deadline was left behind');
  await peer.close();
});

function request(rest: Partial<FetchRequest> = {}): FetchRequest {
  return {
    trustDomain,
    clock,
    profile: web,
    webPkiCaPem: webCa.pem,
    endpointUrl: peer.url('/', 'localhost'),
    verifier: createSpiffeVerifier({ bundles: new BundleSet([bundleOf(trustDomain, [root.x509])]), clock }),
    lookup: createHostLookup(),
    limits: { ...defaultFetchLimits, maxBodyBytes: 64 * 1024 },
    redirects: defaultRedirectSettings,
    proxy: undefined,
    signal: new AbortController().signal,
    ...rest,
  };
}

const overSpiffe = (rest: Partial<FetchRequest> = {}) =>
  request({ profile: spiffe, webPkiCaPem: undefined, endpointUrl: peer.url(), ...rest });

async function refusal(fetching: Promise<FetchOutcome>): Promise<FetchError> {
  const outcome = await fetching.then(
    (value) => value,
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(FetchError);
  if (!(outcome instanceof FetchError)) throw outcome;
  return outcome;
}

async function bodyOf(fetching: Promise<FetchOutcome>): Promise<string> {
  const outcome = await fetching;
  if (outcome.kind !== 'document') throw new Error(`expected a document, got ${outcome.kind}`);
  return Buffer.from(outcome.body).toString();
}

describe('fetchBundle() over https_web', () => {
  it('makes one GET of the configured path and query, and gives the body as it came (FED-26)', async () => {
    const outcome = await fetchBundle(request({ endpointUrl: peer.url('/a/b?z=1', 'localhost') }));
    expect(outcome.kind === 'document' && Buffer.from(outcome.body).toString()).toBe(document);
    expect(peer.requests).toMatchObject([{ method: 'GET', path: '/a/b?z=1', serverName: 'localhost' }]);
    expect(outcome.trace).toMatchObject({ redirects: [], rootFingerprint: webCa.x509.fingerprint });
    expect(outcome.trace.leafFingerprint).toMatch(/^[0-9a-f]{64}$/);
  });

  it('shows no certificate and sends no credentials (FED-40)', async () => {
    await fetchBundle(request());
    expect(peer.requests[0]?.clientCertificate).toBe(false);
    expect(Object.keys(peer.requests[0]?.headers ?? {})).not.toContain('authorization');
    expect(peer.requests[0]?.headers).toMatchObject({
      host: `localhost:${peer.port}`,
      'accept-encoding': 'identity',
    });
  });

  it('says what is wrong with a certificate, and nothing of how to start Node', async () => {
    const { message, cause } = await refusal(fetchBundle(request({ webPkiCaPem: undefined })));
    expect(message).toContain('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
    expect(cause).toMatchObject({ message: expect.stringContaining('UNABLE_TO_VERIFY_LEAF_SIGNATURE') });
    const other = await refusal(fetchBundle(request({ endpointUrl: peer.url('/', '127.0.0.1') })));
    expect(other.cause).toMatchObject({ message: expect.stringContaining('127.0.0.1') });
  });

  it('says so where a connection is made and no HTTP comes', async () => {
    peer.answer = answers.garbage();
    const { code, message } = await refusal(fetchBundle(request()));
    expect(code).toBe('response-broken');
    expect(message).toContain('gave no HTTP response');
  });

  it('refuses a certificate of another host, an unknown CA and an expired one, before any byte of HTTP (FED-26)', async () => {
    await fetchBundle(request());
    expect(peer.requests).toHaveLength(1);
    const refused = async (rest: Partial<FetchRequest>) => (await refusal(fetchBundle(request(rest)))).code;
    expect(await refused({ endpointUrl: peer.url('/', '127.0.0.1') })).toBe('web-certificate-refused');
    expect(await refused({ webPkiCaPem: otherRoot.pem })).toBe('web-certificate-refused');
    expect(await refused({ webPkiCaPem: undefined })).toBe('web-certificate-refused');
    peer.become(await webCa.web(['other.example']));
    expect(await refused({})).toBe('web-certificate-refused');
    const hour = 3_600_000;
    peer.become(
      await webCa.web(['localhost'], {
        notBefore: new Date(now.getTime() - 2 * hour),
        notAfter: new Date(now.getTime() - hour),
      }),
    );
    expect(await refused({})).toBe('web-certificate-refused');
    expect(peer.requests).toHaveLength(1);
  });

  it('sends nothing to an endpoint that is not verified, and reads nothing of what it sends (FED-26)', async () => {
    let received = 0;
    let handshakes = 0;
    let shown = false;
    peer.greeting = (socket) => {
      handshakes += 1;
      shown ||= socket.getPeerX509Certificate() !== undefined || socket.isSessionReused();
      socket.on('data', (chunk: Buffer) => (received += chunk.length));
      // A whole answer before the question.
      answers.document(document)(socket, { headers: {} } as never, () => {});
    };
    const hour = 3_600_000;
    const expired = {
      notBefore: new Date(now.getTime() - 2 * hour),
      notAfter: new Date(now.getTime() - hour),
    };
    const cases: (readonly [FakePeerIdentity, Partial<FetchRequest>])[] = [
      [webIdentity, { webPkiCaPem: otherRoot.pem }],
      [webIdentity, { webPkiCaPem: undefined }],
      [webIdentity, { endpointUrl: peer.url('/', '127.0.0.1') }],
      [await webCa.web(['127.0.0.1']), { endpointUrl: peer.url('/', '127.0.0.1') }],
      [await webCa.web(['other.example']), {}],
      [await webCa.web([]), {}],
      [await webCa.web(['localhost'], expired), {}],
    ];
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const)
      for (const [identity, rest] of cases) {
        peer.become(identity, { maxVersion });
        expect((await refusal(fetchBundle(request(rest)))).code).toBe('web-certificate-refused');
        await peer.until(({ openConnections }) => openConnections === 0);
      }
    expect({ received, shown, requests: peer.requests.length }).toEqual({
      received: 0,
      shown: false,
      requests: 0,
    });
    // Over TLS 1.3 the connection is closed before the server has the client's last message of the handshake.
    expect(handshakes).toBeGreaterThanOrEqual(cases.length);
    // The same counting sees a request where the endpoint is verified.
    peer.become(webIdentity);
    await fetchBundle(request()).catch(() => {});
    await peer.until(({ openConnections }) => openConnections === 0);
    expect(received).toBeGreaterThan(0);
  });

  it('says what is wrong with a certificate: its dates, its names, or which issuer is missing or unknown', async () => {
    const hour = 3_600_000;
    const message = async (rest: Partial<FetchRequest> = {}) => {
      const error = await refusal(fetchBundle(request(rest)));
      expect(error.code).toBe('web-certificate-refused');
      expect(error.message).not.toContain('https_spiffe');
      return error.message;
    };
    const dates = (from: number, to: number) => ({
      notBefore: new Date(now.getTime() + from * hour),
      notAfter: new Date(now.getTime() + to * hour),
    });
    const seconds = (date: Date) => date.toISOString().slice(0, 19);
    peer.become(await webCa.web(['localhost'], dates(-2, -1)));
    expect(await message()).toContain(`expired on ${seconds(dates(-2, -1).notAfter)}`);
    peer.become(await webCa.web(['localhost'], dates(1, 2)));
    expect(await message()).toContain(`begins at ${seconds(dates(1, 2).notBefore)}`);
    peer.become(await webCa.web(['other.example']));
    expect(await message()).toContain('is for other.example, and the URL names localhost');
    // The leaf alone, of a CA that is not given.
    peer.become(await webCa.web(['localhost']));
    expect(await message({ webPkiCaPem: otherRoot.pem })).toMatch(
      /intermediate certificate .* or this CA is unknown/,
    );
  });

  it('does not take an X509-SVID instead, and says which profile would (FED-07)', async () => {
    peer.become(await root.svid(endpointId));
    const error = await refusal(fetchBundle(request()));
    expect(error.code).toBe('web-certificate-refused');
    expect(error.message).toContain('https_spiffe');
    expect(peer.requests).toHaveLength(0);
  });
});

describe('fetchBundle() over https_spiffe', () => {
  beforeEach(() => peer.become(svid));

  it('takes an endpoint that proves exactly the configured ID, by its trust domain (FED-01, FED-27)', async () => {
    const outcome = await fetchBundle(overSpiffe());
    expect(outcome.kind).toBe('document');
    expect(outcome.trace.rootFingerprint).toBe(root.x509.fingerprint);
    expect(peer.requests).toMatchObject([{ method: 'GET', path: '/', clientCertificate: false }]);
  });

  it('sends the host name and does not rely on it (FED-28)', async () => {
    await fetchBundle(overSpiffe({ endpointUrl: peer.url('/', 'localhost') }));
    expect(peer.requests[0]?.serverName).toBe('localhost');
    peer.become(await root.svid(endpointId, { dnsSans: ['another.example'] }));
    expect(await bodyOf(fetchBundle(overSpiffe({ endpointUrl: peer.url('/', 'localhost') })))).toBe(document);
  });

  it('refuses another ID of the same trust domain (FED-27)', async () => {
    peer.become(await root.svid('spiffe://peer.example/endpoint/2'));
    expect((await refusal(fetchBundle(overSpiffe()))).code).toBe('endpoint-id-mismatch');
    expect(peer.requests).toHaveLength(0);
  });

  it('refuses the right ID under another root, a plain web certificate and an expired SVID (FED-27, FED-07)', async () => {
    const identities = [
      await otherRoot.svid(endpointId),
      await root.web(['localhost']),
      await root.svid(endpointId, { notAfter: new Date(now.getTime() - 1000) }),
    ];
    for (const identity of identities) {
      peer.become(identity);
      expect((await refusal(fetchBundle(overSpiffe()))).code).toBe('svid-refused');
    }
    expect(peer.requests).toHaveLength(0);
  });

  it('does not let Web PKI speak where an SVID is due (FED-07)', async () => {
    peer.become(webIdentity);
    const error = await refusal(
      fetchBundle(overSpiffe({ webPkiCaPem: webCa.pem, endpointUrl: peer.url('/', 'localhost') })),
    );
    expect(error.code).toBe('svid-refused');
  });

  it('opens a new connection each time and never resumes (FED-42)', async () => {
    await fetchBundle(overSpiffe());
    await fetchBundle(overSpiffe());
    expect(peer.connections).toBe(2);
    expect(peer.requests.map(({ resumed }) => resumed)).toEqual([false, false]);
  });
});

describe('fetchBundle() and the answer', () => {
  it('takes status 200 only, however good the body is (FED-34)', async () => {
    expect(await bodyOf(fetchBundle(request()))).toBe(document);
    for (const status of [
      201, 202, 203, 204, 206, 226, 300, 304, 305, 400, 401, 403, 404, 410, 429, 500, 503,
    ]) {
      peer.answer = answers.status(status, document);
      expect((await refusal(fetchBundle(request()))).code, `status ${status}`).toBe('status-refused');
    }
  });

  it('takes 304 for an answer to its own tag only (FED-34)', async () => {
    peer.answer = answers.document(document, { etag: '"v1"' });
    const first = await fetchBundle(request());
    const url = peer.url('/', 'localhost');
    expect(first).toMatchObject({ kind: 'document', etag: { tag: '"v1"', url, held: false } });
    expect((await fetchBundle(request({ etag: { tag: '"v1"', url, held: false } }))).kind).toBe(
      'not-modified',
    );
    expect((await fetchBundle(request({ etag: { tag: '"v0"', url, held: false } }))).kind).toBe('document');
  });

  it('shows a tag only to the URL that gave it, redirects or not', async () => {
    const tagged = answers.document(document, { etag: '"v1"' });
    peer.answer = answers.byPath({ '/': answers.redirect(302, '/a'), '/a': tagged, '/b': tagged });
    const first = await fetchBundle(request());
    const etag = { tag: '"v1"', url: peer.url('/a', 'localhost'), held: false };
    expect(first).toMatchObject({ etag });
    expect((await fetchBundle(request({ etag }))).kind).toBe('not-modified');
    peer.answer = answers.byPath({ '/': answers.redirect(302, '/b'), '/b': tagged });
    expect((await fetchBundle(request({ etag }))).kind).toBe('document');
  });

  it('does not remember a tag that is none, or very long', async () => {
    for (const etag of ['v1', '"a" "b"', `"${'x'.repeat(300)}"`]) {
      peer.answer = answers.document(document, { etag });
      expect(await fetchBundle(request())).not.toHaveProperty('etag');
    }
  });

  it('does not look at the content type (FED-35)', async () => {
    peer.answer = answers.document(document, { 'content-type': 'text/plain' });
    expect(await bodyOf(fetchBundle(request()))).toBe(document);
  });

  it('refuses content that is encoded, unread (TDB-44)', async () => {
    peer.answer = answers.gzip(' '.repeat(10_000_000));
    expect((await refusal(fetchBundle(request()))).code).toBe('content-encoding-refused');
    peer.answer = answers.document(document, { 'content-encoding': 'identity' });
    expect(await bodyOf(fetchBundle(request()))).toBe(document);
  });

  it('stops at the limit of bytes, announced or not (TDB-44)', async () => {
    peer.answer = answers.document(' '.repeat(64 * 1024));
    expect(await bodyOf(fetchBundle(request()))).toHaveLength(64 * 1024);
    const tooLarge: Answer[] = [
      answers.document(' '.repeat(64 * 1024 + 1)),
      answers.announced(1e15),
      answers.endless(),
    ];
    for (const answer of tooLarge) {
      peer.answer = answer;
      expect((await refusal(fetchBundle(request()))).code).toBe('body-too-large');
    }
  });

  it('calls whatever breaks off, or is not HTTP, broken', async () => {
    const broken: Answer[] = [
      answers.truncated(document),
      answers.reset(document),
      answers.garbage(),
      answers.headersForEver(),
      (socket) => socket.end(),
      (_socket, _request, reset) => reset(),
    ];
    for (const answer of broken) {
      peer.answer = answer;
      expect((await refusal(fetchBundle(request()))).code).toBe('response-broken');
    }
  });
});

describe('fetchBundle() and redirects', () => {
  it('follows one, and tells where it went (FED-36)', async () => {
    peer.answer = answers.byPath({ '/': answers.redirect(302, '/new'), '/new': answers.document(document) });
    const outcome = await fetchBundle(request());
    expect(outcome).toMatchObject({
      kind: 'document',
      trace: { redirects: [peer.url('/new', 'localhost')] },
    });
    expect(peer.connections).toBe(2);
  });

  it('treats 301, 303, 307 and 308 alike, and remembers none of them (FED-38, FED-39)', async () => {
    for (const status of [301, 303, 307, 308]) {
      peer.answer = answers.byPath({
        '/': answers.redirect(status, '/new'),
        '/new': answers.document(document),
      });
      peer.requests.length = 0;
      await fetchBundle(request());
      await fetchBundle(request());
      expect(peer.requests.map(({ path }) => path)).toEqual(['/', '/new', '/', '/new']);
    }
  });

  it('refuses a downgrade to http and user information (FED-36)', async () => {
    for (const location of ['http://localhost/', 'https://user@localhost/', '//user:pass@localhost/']) {
      peer.answer = answers.redirect(302, location);
      expect((await refusal(fetchBundle(request()))).code).toBe('redirect-refused');
    }
  });

  it('verifies the target by its own host over https_web (FED-37)', async () => {
    await using target = await FakePeer.start(await webCa.web(['elsewhere.example']));
    target.answer = answers.document(document);
    peer.answer = answers.redirect(302, target.url('/', 'localhost'));
    expect((await refusal(fetchBundle(request()))).code).toBe('web-certificate-refused');
    expect(target.requests).toHaveLength(0);
    target.become(await webCa.web(['localhost']));
    expect(await bodyOf(fetchBundle(request()))).toBe(document);
  });

  it('demands the same SPIFFE ID at the target over https_spiffe (FED-37)', async () => {
    peer.become(svid);
    await using target = await FakePeer.start(await root.svid('spiffe://peer.example/other'));
    target.answer = answers.document(document);
    peer.answer = answers.redirect(302, target.url());
    const error = await refusal(fetchBundle(overSpiffe()));
    expect(error.code).toBe('endpoint-id-mismatch');
    expect(error.trace?.redirects).toEqual([target.url()]);
    expect(target.requests).toHaveLength(0);
    target.become(svid);
    expect(await bodyOf(fetchBundle(overSpiffe()))).toBe(document);
  });

  it('ends a loop after five hops (FED-39)', async () => {
    peer.answer = answers.redirect(302, '/');
    expect((await refusal(fetchBundle(request()))).code).toBe('too-many-redirects');
    expect(peer.requests).toHaveLength(6);
  });

  it('follows none where they are turned off (FED-39)', async () => {
    peer.answer = answers.byPath({ '/': answers.redirect(302, '/new'), '/new': answers.document(document) });
    const error = await refusal(fetchBundle(request({ redirects: { follow: false, max: 5 } })));
    expect(error.code).toBe('redirects-off');
    expect(peer.requests).toHaveLength(1);
  });
});

describe('fetchBundle() and time (FED-41)', () => {
  it('gives up on a TCP connection that does not come about', async () => {
    await using blocked = await BlockedPort.open();
    const fetching = refusal(fetchBundle(request({ endpointUrl: `https://localhost:${blocked.port}/` })));
    expect(await clock.untilSleeping(1)).toEqual([defaultFetchLimits.connectMs]);
    await clock.advance(defaultFetchLimits.connectMs);
    expect((await fetching).code).toBe('connect-timeout');
  });

  it('gives up on a name that no name server answers for, and on one that is there too late', async () => {
    const silent: HostLookup = (_host, signal) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(new Error('queryA ECANCELLED localhost'))),
      );
    const late: HostLookup = (_host, signal) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve(['127.0.0.1'])));
    for (const lookup of [silent, late]) {
      const fetching = refusal(fetchBundle(request({ lookup })));
      expect(await clock.untilSleeping(1)).toEqual([defaultFetchLimits.connectMs]);
      await clock.advance(defaultFetchLimits.connectMs);
      expect((await fetching).code).toBe('connect-timeout');
    }
    expect(peer.connections).toBe(0);
    const missing: HostLookup = () =>
      Promise.reject(Object.assign(new Error('queryA ENOTFOUND localhost'), { code: 'ENOTFOUND' }));
    const error = await refusal(fetchBundle(request({ lookup: missing })));
    expect(error).toMatchObject({ code: 'connect-failed', message: expect.stringContaining('ENOTFOUND') });
  });

  it('gives up on a handshake that does not come about, under both profiles', async () => {
    peer.reception = 'silence';
    for (const make of [request, overSpiffe]) {
      const seen = peer.connections;
      const fetching = refusal(
        fetchBundle(make({ limits: { ...defaultFetchLimits, connectMs: 5000, tlsMs: 4000 } })),
      );
      await peer.until(({ connections }) => connections > seen);
      while (clock.waits()[0] !== 4000) await new Promise((resolve) => setImmediate(resolve));
      await clock.advance(4000);
      expect((await fetching).code).toBe('tls-timeout');
    }
  });

  it('gives up on a response that does not begin, interim responses or not', async () => {
    for (const answer of [answers.silence(), answers.interimForEver()]) {
      peer.answer = answer;
      const seen = peer.requests.length;
      const fetching = refusal(fetchBundle(request()));
      await peer.until(({ requests }) => requests.length > seen);
      await clock.advance(defaultFetchLimits.firstByteMs);
      expect((await fetching).code).toBe('first-byte-timeout');
    }
  });

  it('gives a body no longer than the total, whether it is silent or drips', async () => {
    for (const answer of [answers.silentBody(100), answers.drip(document.padEnd(60_000))]) {
      peer.answer = answer;
      const seen = peer.requests.length;
      const fetching = refusal(fetchBundle(request()));
      await peer.until(({ requests }) => requests.length > seen);
      // The headers arrive; from there on only the total counts.
      await new Promise((resolve) => setTimeout(resolve, 50));
      await clock.advance(defaultFetchLimits.totalMs);
      expect((await fetching).code).toBe('total-timeout');
    }
  });

  it('gives all hops together no longer than the total', async () => {
    peer.answer = answers.byPath({ '/': answers.redirect(302, '/slow'), '/slow': answers.silence() });
    const fetching = refusal(
      fetchBundle(request({ limits: { ...defaultFetchLimits, firstByteMs: 60_000 } })),
    );
    await peer.until(({ requests }) => requests.length === 2);
    await clock.advance(defaultFetchLimits.totalMs);
    expect((await fetching).code).toBe('total-timeout');
  });

  it('ends at once when it is called off, and closes the connection', async () => {
    peer.answer = answers.silence();
    const controller = new AbortController();
    const fetching = refusal(fetchBundle(request({ signal: controller.signal })));
    await peer.until(({ requests }) => requests.length === 1);
    controller.abort();
    expect((await fetching).code).toBe('called-off');
  });
});

describe('fetchBundle() and connections', () => {
  it('tells a refused connection, a reset and a server that speaks no TLS', async () => {
    const gone = await FakePeer.start(webIdentity);
    const endpointUrl = gone.url('/', 'localhost');
    await gone.close();
    expect((await refusal(fetchBundle(request({ endpointUrl })))).code).toBe('connect-failed');
    for (const reception of ['reset', 'plain-http'] as const) {
      peer.reception = reception;
      for (const make of [request, overSpiffe]) {
        // A reset can come so early that the connection never was one.
        expect(`${reception}: ${(await refusal(fetchBundle(make()))).code}`).toMatch(
          /: (connect|tls)-failed$/,
        );
      }
    }
  });

  it('refuses a URL that is not an endpoint URL (FED-08)', async () => {
    expect((await refusal(fetchBundle(request({ endpointUrl: 'http://localhost/' })))).code).toBe(
      'url-refused',
    );
    expect(peer.connections).toBe(0);
  });
});
