import { once } from 'node:events';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  authorizeAny,
  connectTls,
  createHttpsServer,
  type JwtAuthority,
  parseSpiffeId,
  parseTrustDomain,
  peerOf,
  verifyJwtSvid,
} from '../../src/library/spiffe.ts';
import {
  BundleSource,
  JwtSource,
  type WorkloadApiProblem,
  X509Source,
} from '../../src/library/workload-api.ts';
import { FakeWorkloadApi } from '../../testkit/fake-workload-api.ts';
import { FakeWorkloadBundles } from '../../testkit/fake-workload-bundles.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { createTokenKey, plainClaims, signToken } from '../../testkit/test-tokens.ts';
import { until } from '../../testkit/until.ts';
import { entry, message } from '../../testkit/x509-messages.ts';
import { portOf } from './support.ts';

type Leaf = Awaited<ReturnType<TestCa['issueLeaf']>>;

const A = parseTrustDomain('a.example');
const B = parseTrustDomain('b.example');

let a: TestCa;
let b: TestCa;
let one: Leaf;
let two: Leaf;
beforeAll(async () => {
  a = await createTestCa({ trustDomain: 'a.example' });
  b = await createTestCa({ trustDomain: 'b.example' });
  one = await a.issueLeaf({ path: '/one' });
  two = await a.issueLeaf({ path: '/two' });
});

let folder: ReturnType<typeof tempDir>;
let clock: TestClock;
const closing: AsyncDisposable[] = [];
beforeEach(() => {
  folder = tempDir();
  clock = new TestClock(TEST_INSTANT);
});
afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

function kept<Closable extends AsyncDisposable>(closable: Closable): Closable {
  closing.push(closable);
  return closable;
}

const both = () =>
  message([entry(one, a), entry(two, a, { hint: 'second' })], { 'spiffe://b.example': b.root });

describe('X509Source', () => {
  const startApi = async () => kept(await new FakeWorkloadApi(folder.file('api.sock')).start());
  const open = async (api: FakeWorkloadApi, more: object = {}) =>
    kept(await X509Source.create({ address: `unix://${api.path}`, clock, ...more }));

  it('waits for the first update, and gives the default SVID and the bundles (WLAPI-03, WLAPI-26)', async () => {
    const api = await startApi();
    const opening = X509Source.create({ address: `unix://${api.path}`, clock });
    await until(() => api.seen.length === 1, 'the call');
    api.say(both());
    const source = kept(await opening);
    expect(source.current()?.id).toBe('spiffe://a.example/one');
    expect(source.offered().map(({ svid, hint }) => [svid.id, hint])).toEqual([
      ['spiffe://a.example/one', ''],
      ['spiffe://a.example/two', 'second'],
    ]);
    expect(source.bundleFor(A)?.x509Authorities).toEqual([a.authority]);
    expect(source.bundleFor(B)?.x509Authorities).toEqual([b.authority]);
    expect(api.seen).toEqual([['true']]);
  });

  it('finds its Workload API by the environment variable (WLAPI-06)', async () => {
    const api = await startApi();
    api.say(both());
    process.env['SPIFFE_ENDPOINT_SOCKET'] = `unix://${api.path}`;
    const source = kept(await X509Source.create({ clock }));
    delete process.env['SPIFFE_ENDPOINT_SOCKET'];
    expect(source.current()?.id).toBe('spiffe://a.example/one');
    await expect(X509Source.create({ clock })).rejects.toMatchObject({ code: 'endpoint-address-missing' });
    await expect(X509Source.create({ address: 'http://x' })).rejects.toMatchObject({
      code: 'endpoint-address-invalid',
    });
  });

  it.each([
    ['an ID', { spiffeId: parseSpiffeId('spiffe://a.example/two') }],
    ['a hint', { hint: 'second' }],
  ])('chooses the SVID by %s', async (_by, choice) => {
    const api = await startApi();
    api.say(both());
    expect((await open(api, choice)).current()?.id).toBe('spiffe://a.example/two');
  });

  it('emits an update for each message, and drops a trust domain that is gone from it (WLAPI-15)', async () => {
    const api = await startApi();
    api.say(both());
    const source = await open(api);
    const updated = once(source, 'update');
    api.say(message([entry(two, a)]));
    await updated;
    expect(source.current()?.id).toBe('spiffe://a.example/two');
    expect(source.bundleFor(B)).toBeUndefined();
  });

  it('reconnects with growing waits, and keeps the last good state until then (WLAPI-08, WLAPI-12)', async () => {
    const api = await startApi();
    api.say(both());
    const source = await open(api);
    const problems: WorkloadApiProblem[] = [];
    source.on('problem', (problem) => problems.push(problem));
    await api.stop();
    const passes = async (condition: () => boolean) => {
      await clock.advance(500);
      return condition();
    };
    await until(() => passes(() => problems.length > 0), 'a problem');
    expect(problems).toMatchObject([{ code: 'unavailable' }]);
    expect(source.current()?.id).toBe('spiffe://a.example/one');
    api.say(message([entry(two, a)]));
    await api.start();
    await until(() => passes(() => source.current()?.id === 'spiffe://a.example/two'), 'the next SVID');
  });

  it('drops SVID and bundles when it is denied them (WLAPI-24)', async () => {
    const api = await startApi();
    api.say(both());
    const source = await open(api);
    const updated = once(source, 'update');
    api.refuse(status.PERMISSION_DENIED);
    await updated;
    expect([source.current(), source.bundleFor(A), source.bundleFor(B)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('gives up at the signal, and says what stood in the way', async () => {
    const api = await startApi();
    api.refuse(status.PERMISSION_DENIED, 'no identity issued');
    const stop = new AbortController();
    const opening = X509Source.create({ address: `unix://${api.path}`, clock, signal: stop.signal });
    await until(() => api.seen.length > 0, 'the call');
    await until(() => clock.waits().some((ms) => ms <= 1000), 'the wait for the next try');
    stop.abort(new Error('enough'));
    await expect(opening).rejects.toMatchObject({
      code: 'no-update',
      message: `the Workload API unix://${api.path} gave no first update: PERMISSION_DENIED: no identity issued [permission-denied]`,
      cause: new Error('enough'),
    });
  });

  it('fails at once where the Workload API will never answer (WLAPI-08)', async () => {
    const api = await startApi();
    api.refuse(status.UNIMPLEMENTED);
    await expect(X509Source.create({ address: `unix://${api.path}`, clock })).rejects.toMatchObject({
      code: 'refused',
    });
  });

  it('gives out nothing after close', async () => {
    const api = await startApi();
    api.say(both());
    const source = await open(api);
    await source.close();
    expect([source.current(), source.bundleFor(A), source.offered(), source.closed]).toEqual([
      undefined,
      undefined,
      [],
      true,
    ]);
  });

  it('is both sources of a server and a client, and its updates end connections (FED-61)', async () => {
    const api = await startApi();
    api.say(both());
    const source = await open(api);
    const trust = { svid: source, bundles: source, authorize: authorizeAny(), clock };
    const server = createHttpsServer(trust, (request, response) => response.end(peerOf(request.socket).id));
    const port = await portOf(server);
    const { socket, peer } = await connectTls({ host: '127.0.0.1', port, ...trust });
    expect(peer.id).toBe('spiffe://a.example/one');
    const closed = once(socket, 'close');
    api.say(message([entry(await b.issueLeaf({ path: '/moved' }), b)]));
    await closed;
    server.close();
  });
});

describe('JwtSource and BundleSource', () => {
  const key = createTokenKey('P-256', 'k1');
  const jwkSet = ({ keyId, jwk }: JwtAuthority, more: object = {}) =>
    Buffer.from(JSON.stringify({ keys: [{ ...jwk, kid: keyId, ...more }] }));
  const startApi = async () => kept(await new FakeWorkloadBundles(folder.file('bundles.sock')).start());
  const token = (claims: object = {}) =>
    signToken(key, { claims: { ...plainClaims('spiffe://a.example/one'), ...claims } });

  async function jwtSource(api: FakeWorkloadBundles): Promise<JwtSource> {
    api.jwt.say({ bundles: { 'spiffe://a.example': jwkSet(key.authority) } });
    return kept(await JwtSource.create({ address: `unix://${api.path}`, clock }));
  }

  it('prove tokens with the JWT bundles, whose keys need no use (WLAPI-23)', async () => {
    const source = await jwtSource(await startApi());
    const options = { audiences: ['info.b.example'], now: clock.now() };
    expect((await verifyJwtSvid(token(), source, options)).id).toBe('spiffe://a.example/one');
    const other = signToken(createTokenKey('P-256', 'k1'), { claims: plainClaims('spiffe://a.example/one') });
    await expect(verifyJwtSvid(other, source, options)).rejects.toMatchObject({ code: 'signature-invalid' });
  });

  it('ignore a key of another use (WLAPI-23)', async () => {
    const api = await startApi();
    const source = await jwtSource(api);
    const updated = once(source, 'update');
    api.jwt.say({
      bundles: {
        'spiffe://a.example': jwkSet(key.authority, { use: 'sig' }),
        'spiffe://b.example': Buffer.alloc(0),
      },
    });
    await updated;
    expect(source.bundleFor(A)?.jwtAuthorities).toEqual([]);
    expect(source.bundleFor(B)?.jwtAuthorities).toEqual([]);
  });

  it('fetch a JWT-SVID of ours, with the security header (WLAPI-03)', async () => {
    const api = await startApi();
    const source = await jwtSource(api);
    api.jwtSvids = ({ audience, spiffe_id }) => ({
      svids: [
        { spiffe_id: 'spiffe://a.example/one', svid: token({ aud: audience, asked: spiffe_id }), hint: 'h' },
      ],
    });
    const spiffeId = parseSpiffeId('spiffe://a.example/one');
    const fetched = await source.fetchJwtSvid({ audiences: ['x', 'y'], spiffeId });
    expect(fetched).toMatchObject({ id: spiffeId, audiences: ['x', 'y'], hint: 'h' });
    expect(fetched.expiresAt.getTime()).toBe(TEST_INSTANT.getTime() + 300_000);
    expect(JSON.parse(Buffer.from(fetched.token.split('.')[1] ?? '', 'base64url').toString())).toMatchObject({
      asked: spiffeId,
    });
    expect(api.headers).toEqual([['true'], ['true']]);
  });

  it.each([
    ['denied', status.PERMISSION_DENIED, 'permission-denied'],
    ['invalid', status.INVALID_ARGUMENT, 'refused'],
    ['not there', status.UNIMPLEMENTED, 'refused'],
    ['away', status.UNAVAILABLE, 'unavailable'],
  ])('say why a JWT-SVID is %s', async (_what, code, expected) => {
    const api = await startApi();
    const source = await jwtSource(api);
    api.jwtSvids = () => code;
    await expect(source.fetchJwtSvid({ audiences: ['x'] })).rejects.toMatchObject({ code: expected });
  });

  it.each([
    ['no JWT-SVID', () => []],
    [
      'another ID than its token',
      () => [{ spiffe_id: 'spiffe://a.example/two', svid: token({ aud: 'x' }), hint: '' }],
    ],
    [
      'a token for another audience',
      () => [{ spiffe_id: 'spiffe://a.example/one', svid: token(), hint: '' }],
    ],
    [
      'a token that has expired',
      () => [{ spiffe_id: 'spiffe://a.example/one', svid: token({ aud: 'x', exp: 1 }), hint: '' }],
    ],
    ['no token', () => [{ spiffe_id: 'spiffe://a.example/one', svid: 'x', hint: '' }]],
  ])('refuse an answer with %s (WLAPI-16)', async (_what, svids) => {
    const api = await startApi();
    const source = await jwtSource(api);
    api.jwtSvids = () => ({ svids: svids() });
    await expect(source.fetchJwtSvid({ audiences: ['x'] })).rejects.toMatchObject({
      code: 'message-malformed',
    });
  });

  it('refuse a JWT-SVID of another identity than the one asked for', async () => {
    const api = await startApi();
    const source = await jwtSource(api);
    api.jwtSvids = () => ({
      svids: [{ spiffe_id: 'spiffe://a.example/one', svid: token({ aud: 'x' }), hint: '' }],
    });
    const ask = (id: string) => source.fetchJwtSvid({ audiences: ['x'], spiffeId: parseSpiffeId(id) });
    expect((await ask('spiffe://a.example/one')).id).toBe('spiffe://a.example/one');
    await expect(ask('spiffe://a.example/two')).rejects.toMatchObject({ code: 'message-malformed' });
  });

  it('refuse to ask for a token without an audience, and end a call with the source', async () => {
    const source = await jwtSource(await startApi());
    await expect(source.fetchJwtSvid({ audiences: [] })).rejects.toBeInstanceOf(TypeError);
    await source.close();
    await expect(source.fetchJwtSvid({ audiences: ['x'] })).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('give whole bundles, once both kinds are there, and follow each', async () => {
    const api = await startApi();
    const opening = BundleSource.create({ address: `unix://${api.path}`, clock });
    api.x509.say({
      crl: [],
      bundles: { 'spiffe://a.example': Buffer.from(a.root), 'spiffe://b.example': Buffer.from(b.root) },
    });
    api.jwt.say({ bundles: { 'spiffe://a.example': jwkSet(key.authority) } });
    const source = kept(await opening);
    const shown = () =>
      source
        .list()
        .map(({ trustDomain, x509Authorities, jwtAuthorities }) => [
          trustDomain,
          x509Authorities.length,
          jwtAuthorities.length,
        ]);
    expect(shown()).toEqual([
      ['a.example', 1, 1],
      ['b.example', 1, 0],
    ]);
    const updated = once(source, 'update');
    api.x509.say({ crl: [], bundles: { 'spiffe://a.example': Buffer.from(a.root) } });
    await updated;
    expect(shown()).toEqual([['a.example', 1, 1]]);
  });

  it('keep the last good bundles when a message is malformed (WLAPI-16)', async () => {
    const api = await startApi();
    const source = await jwtSource(api);
    const reported = once(source, 'problem');
    api.jwt.say({ bundles: { 'spiffe://a.example': Buffer.from('{"keys":1}') } });
    expect(await reported).toMatchObject([{ code: 'message-malformed' }]);
    expect(source.bundleFor(A)?.jwtAuthorities).toHaveLength(1);
  });

  it('drop bundles that they are denied (WLAPI-24)', async () => {
    const api = await startApi();
    const source = await jwtSource(api);
    const updated = once(source, 'update');
    api.jwt.refuse(status.PERMISSION_DENIED);
    await updated;
    expect(source.bundleFor(A)).toBeUndefined();
  });
});
