import { beforeAll, describe, expect, it } from 'vitest';
import { type Answer, answers } from '../../../testkit/fake-peer.ts';
import { hostileAnswers } from '../../../testkit/hostile-answers.ts';
import { endpointOf, type Surroundings } from '../../../testkit/hostile-identities.ts';
import { HostilePeer } from '../../../testkit/hostile-peer.ts';
import { aftermathOf, harmless, type HostileCase, LIMITS } from './hostile-case.ts';
import { createSurroundings, documentOf } from './hostile-world.ts';

let around: Surroundings;
/** A perfect bundle, newer than the one we hold. */
let good: string;

beforeAll(async () => {
  around = await createSurroundings();
  good = documentOf(around.peerCa.bundle(6n));
});

/** A row whose only fault is the answer. */
const answering = (does: string, answer: () => Answer, code: string, rest: Partial<HostileCase> = {}) => ({
  does,
  deed: () => ({ answer: answer() }),
  code,
  ...rest,
});

const raw = (headers: string, body = () => good) =>
  hostileAnswers.raw(`HTTP/1.1 200 OK\r\n${headers}\r\n\r\n${body()}`);

describe('Federation takes nothing from an answer (FED-34, invariant 2)', () => {
  const statuses = [
    201, 202, 203, 204, 206, 226, 300, 304, 305, 306, 400, 401, 403, 404, 410, 418, 429, 500, 502, 503,
  ];
  it.each(statuses)('with status %i and a perfect body: status-refused', async (status) => {
    const row = answering(`answers ${status}`, () => answers.status(status, good), 'status-refused');
    expect(await aftermathOf(around, row)).toEqual(harmless(row));
  });
});

const endless: readonly HostileCase[] = [
  answering(
    'sends a body without an end, in chunks',
    () => hostileAnswers.endlessBody('chunked'),
    'body-too-large',
  ),
  answering(
    'sends a body without an end and without a length',
    () => hostileAnswers.endlessBody('until-close'),
    'body-too-large',
  ),
  answering(
    'sends one byte too many',
    () => answers.document(' '.repeat(LIMITS.maxBodyBytes + 1)),
    'body-too-large',
  ),
  answering('announces a petabyte', () => answers.announced(1e15), 'body-too-large'),
  answering(
    'announces more than a number can hold',
    () => raw('content-length: 99999999999999999999999999'),
    'response-broken',
  ),
  answering('sends heads without an end', () => answers.headersForEver(), 'response-broken'),
  answering('sends one header without an end', () => hostileAnswers.endlessHeader(), 'response-broken'),
  answering(
    'sends one chunk extension without an end',
    () => hostileAnswers.endlessChunkExtension(),
    'body-too-large',
  ),
  answering('sends trailers without an end', () => hostileAnswers.endlessTrailers(good), 'response-broken'),
  answering(
    'sends interim responses without an end',
    () => hostileAnswers.endlessInterim(),
    'body-too-large',
  ),
];

const encoded: readonly HostileCase[] = [
  ...(['gzip', 'br', 'deflate'] as const).map((encoding) =>
    answering(
      `sends a bomb in ${encoding}, which nobody asked for`,
      () => hostileAnswers.bomb(encoding),
      'content-encoding-refused',
    ),
  ),
  answering(
    'names a bomb in capitals',
    () => hostileAnswers.bomb('gzip', 'GZIP'),
    'content-encoding-refused',
  ),
  answering(
    'hides a bomb behind identity',
    () => hostileAnswers.bomb('gzip', 'identity, gzip'),
    'content-encoding-refused',
  ),
  answering(
    'packs a small bundle twice',
    () => answers.document(good, { 'content-encoding': 'gzip, gzip' }),
    'content-encoding-refused',
  ),
  // Not said, so not unpacked: only bytes that are no JSON.
  {
    does: 'sends a bomb and does not say so',
    deed: () => ({ answer: hostileAnswers.bomb('br', 'identity') }),
    code: 'bundle-not-json',
    event: 'bundle-refused',
  },
];

const broken: readonly HostileCase[] = [
  answering('speaks no HTTP', () => answers.garbage(), 'response-broken'),
  answering('speaks HTTP/0.9', () => hostileAnswers.raw('{"keys":[]}'), 'response-broken'),
  answering(
    'speaks HTTP/2',
    () => hostileAnswers.raw('\0\0\u0012\u0004\0\0\0\0\0\0\u0003\0\0\0\u0080'),
    'response-broken',
  ),
  answering(
    'switches to another protocol',
    () =>
      hostileAnswers.raw('HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n'),
    'response-broken',
  ),
  answering(
    'gives two lengths',
    () => raw(`content-length: ${good.length}\r\ncontent-length: 11`),
    'response-broken',
  ),
  answering('gives a negative length', () => raw('content-length: -1'), 'response-broken'),
  answering(
    'gives a length and chunks',
    () =>
      raw(
        `content-length: ${good.length}\r\ntransfer-encoding: chunked`,
        () => `b\r\n{"keys":[]}\r\n0\r\n\r\n`,
      ),
    'response-broken',
  ),
  answering(
    'sends a chunk of no number',
    () => raw('transfer-encoding: chunked', () => `zz\r\n${good}\r\n0\r\n\r\n`),
    'response-broken',
  ),
];

describe('Federation reads no further than its limits when an endpoint (TDB-44)', () => {
  it.each(endless)('$does: $code', async (row) => {
    expect(await aftermathOf(around, row)).toEqual(harmless(row));
  });
});

describe('Federation unpacks nothing when an endpoint (TDB-44)', () => {
  it.each(encoded)('$does: $code', async (row) => {
    expect(await aftermathOf(around, row)).toEqual(harmless(row));
  });
});

describe('Federation takes no document from an endpoint that', () => {
  it.each(broken)('$does: $code', async (row) => {
    expect(await aftermathOf(around, row)).toEqual(harmless(row));
  });
});

const redirecting = (
  does: string,
  to: string | (() => string),
  code: string,
  connections = 1,
): HostileCase => ({
  does,
  deed: () => ({ answer: answers.redirect(302, typeof to === 'string' ? to : to()) }),
  code,
  connections,
});

const redirects: readonly HostileCase[] = [
  redirecting('to itself, for ever', '/', 'too-many-redirects', 6),
  {
    does: 'to itself under ever new names, for ever',
    deed: () => ({
      answer: (socket, request, reset) =>
        answers.redirect(302, `/${request.path.length}${request.path}`)(socket, request, reset),
    }),
    code: 'too-many-redirects',
    connections: 6,
  },
  redirecting('to http:', 'http://127.0.0.1/', 'redirect-refused'),
  redirecting('to http: in capitals', 'HTTP://127.0.0.1/', 'redirect-refused'),
  redirecting('to a file', 'file:///etc/passwd', 'redirect-refused'),
  redirecting('to data', `data:application/json,{"keys":[]}`, 'redirect-refused'),
  redirecting('to a user', 'https://user@127.0.0.1/', 'redirect-refused'),
  redirecting('to a user and a password', 'https://user:pass@127.0.0.1/', 'redirect-refused'),
  redirecting('to a user, relative to the scheme', '//user@127.0.0.1/', 'redirect-refused'),
  redirecting('to a fragment', '/bundle#keys', 'redirect-refused'),
  redirecting('to a backslash', 'https:\\\\127.0.0.1\\', 'redirect-refused'),
  redirecting('to more characters than a URL has', `/${'a'.repeat(3000)}`, 'redirect-refused'),
  answering(
    'to two places at once',
    () =>
      hostileAnswers.raw('HTTP/1.1 302 Found\r\nlocation: /a\r\nlocation: /b\r\ncontent-length: 0\r\n\r\n'),
    'redirect-refused',
  ),
  // Inwards: refused before any connection.
  redirecting('to the metadata service', 'https://169.254.169.254/latest/meta-data/', 'redirect-refused'),
  redirecting('to the metadata service over IPv6', 'https://[fd00:ec2::254]/', 'redirect-refused'),
  redirecting('to the metadata service in one number', 'https://2852039166/', 'redirect-refused'),
  redirecting('to the metadata service in octal', 'https://0251.0376.0251.0376/', 'redirect-refused'),
  redirecting('to the metadata service, mapped', 'https://[::ffff:169.254.169.254]/', 'redirect-refused'),
  redirecting('to the metadata service through NAT64', 'https://[64:ff9b::a9fe:a9fe]/', 'redirect-refused'),
  redirecting(
    'to a name that stands for the metadata service',
    'https://metadata.example/',
    'redirect-refused',
  ),
  redirecting('to a name that stands for a private address', 'https://inside.example/', 'redirect-refused'),
  redirecting('to a private address', 'https://10.0.0.1/', 'redirect-refused'),
  redirecting('to a unique local address', 'https://[fd00::1]/', 'redirect-refused'),
  redirecting('to a link-local address', 'https://[fe80::1]/', 'redirect-refused'),
  redirecting('to the unspecified address', 'https://0.0.0.0/', 'redirect-refused'),
  redirecting('to the broadcast address', 'https://255.255.255.255/', 'redirect-refused'),
  // From loopback to loopback is no step inwards; whoever is there has to prove itself.
  redirecting('from loopback to loopback, where nobody is', 'https://[::1]:1/', 'connect-failed', 2),
];

describe('Federation goes nowhere it should not for an endpoint that redirects (FED-36, FED-39)', () => {
  it.each(redirects)('$does: $code', async (row) => {
    expect(await aftermathOf(around, row)).toEqual(harmless(row));
  });

  it('without saying where to: redirect-refused', async () => {
    const row = answering('redirects nowhere', () => answers.status(302), 'redirect-refused');
    expect(await aftermathOf(around, row)).toEqual(harmless(row));
  });

  it('to the server of another SPIFFE ID: endpoint-id-mismatch (FED-37)', async () => {
    await using elsewhere = await HostilePeer.start({
      identity: await endpointOf(around.peerCa, { path: '/workload' }),
      answer: answers.document(good),
    });
    const row = redirecting('to another server', () => elsewhere.fake.url(), 'endpoint-id-mismatch', 2);
    expect(await aftermathOf(around, row)).toEqual(harmless(row));
    expect(elsewhere.fake.requests).toEqual([]);
  });
});
