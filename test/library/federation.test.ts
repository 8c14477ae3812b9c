import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type BundleEndpoint,
  fetchBundle,
  watchBundle,
  type WatchBundleOptions,
} from '../../src/library/federation.ts';
import {
  BundleSet,
  bundleOf,
  parseSpiffeId,
  parseTrustDomain,
  serializeBundle,
  type TrustBundle,
} from '../../src/library/spiffe.ts';
import { answers, FakePeer, type FakePeerIdentity } from '../../testkit/fake-peer.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { until } from '../../testkit/until.ts';
import { type Authority, createAuthority } from '../federation/authority.ts';

const now = new Date();
const trustDomain = parseTrustDomain('peer.example');
const endpointId = parseSpiffeId('spiffe://peer.example/endpoint');

let webCa: Authority;
let root: Authority;
let nextRoot: Authority;
let web: FakePeerIdentity;
let svid: FakePeerIdentity;
beforeAll(async () => {
  webCa = await createAuthority('web ca', now);
  root = await createAuthority('root', now);
  nextRoot = await createAuthority('next root', now);
  web = await webCa.web(['localhost']);
  svid = await root.svid(endpointId);
});

let peer: FakePeer;
beforeEach(async () => {
  peer = await FakePeer.start(web);
});
afterEach(() => peer.close());

const holding = (sequence: bigint, ...roots: Authority[]): TrustBundle =>
  bundleOf(
    trustDomain,
    roots.map(({ x509 }) => x509),
    { sequence, refreshHintSeconds: 60 },
  );

function serve(bundle: TrustBundle): void {
  peer.answer = answers.document(serializeBundle(bundle), { etag: `"${bundle.sequence}"` });
}

const overWeb = (): BundleEndpoint => ({
  trustDomain,
  url: peer.url('/', 'localhost'),
  profile: 'https_web',
  webPkiCaPem: webCa.pem,
});

const overSpiffe = (bundle: TrustBundle, id = endpointId): BundleEndpoint => ({
  trustDomain,
  url: peer.url(),
  profile: 'https_spiffe',
  endpointId: id,
  bundles: new BundleSet([bundle]),
});

describe('fetchBundle()', () => {
  it('fetches over https_web', async () => {
    serve(holding(1n, root));
    const { bundle, notes } = await fetchBundle(overWeb());
    expect([bundle, notes]).toEqual([holding(1n, root), []]);
  });

  it('fetches over https_spiffe, and shows no certificate (FED-40)', async () => {
    peer.become(svid);
    serve(holding(2n, root, nextRoot));
    expect((await fetchBundle(overSpiffe(holding(1n, root)))).bundle.sequence).toBe(2n);
    expect(peer.requests[0]?.clientCertificate).toBe(false);
  });

  it.each([
    ['by another root than that of the bundle', () => overSpiffe(holding(1n, nextRoot)), 'svid-refused'],
    [
      'with another ID',
      () => overSpiffe(holding(1n, root), parseSpiffeId('spiffe://peer.example/x')),
      'endpoint-id-mismatch',
    ],
    ['by Web PKI alone', overWeb, 'web-certificate-refused'],
  ])('sends no request to an endpoint that proves itself %s (FED-26, FED-27)', async (_how, endpoint, code) => {
    peer.become(svid);
    await expect(fetchBundle(endpoint())).rejects.toMatchObject({ code });
    expect(peer.requests).toEqual([]);
  });

  it.each([
    ['is not a bundle', answers.document('{}'), 'bundle-not-a-bundle'],
    ['is larger than the limit', answers.document(' '.repeat(2000)), 'body-too-large'],
    ['has another status', answers.status(503), 'status-refused'],
  ])('refuses an answer that %s', async (_what, answer, code) => {
    peer.answer = answer;
    const limits = { maxBodyBytes: 1000 };
    await expect(fetchBundle(overWeb(), { limits })).rejects.toMatchObject({ code });
  });

  it.each([
    '',
    'nothing',
    '-----BEGIN CERTIFICATE-----',
  ])('never falls back to the CAs that Node.js trusts where its own are %j (FED-26)', async (webPkiCaPem) => {
    serve(holding(1n, root));
    const endpoint = { ...overWeb(), profile: 'https_web', webPkiCaPem } as const;
    await expect(fetchBundle(endpoint)).rejects.toMatchObject({ name: 'PemError' });
    await expect(watchBundle(endpoint).next()).rejects.toMatchObject({ name: 'PemError' });
    expect(peer.connections).toBe(0);
  });

  it('ends with the signal', async () => {
    peer.reception = 'silence';
    const stop = new AbortController();
    const fetching = fetchBundle(overWeb(), { signal: stop.signal });
    await until(() => peer.connections > 0, 'the connection');
    stop.abort();
    await expect(fetching).rejects.toMatchObject({ code: 'called-off' });
  });
});

describe('watchBundle()', () => {
  let clock: TestClock;
  let stop: AbortController;
  let seen: TrustBundle[];
  let errors: string[];
  let ended: Promise<void>;
  beforeEach(() => {
    clock = new TestClock(now);
    stop = new AbortController();
    [seen, errors] = [[], []];
  });
  afterEach(async () => {
    stop.abort();
    await ended;
  });

  function watch(endpoint: BundleEndpoint, options: WatchBundleOptions = {}): void {
    const onError = (error: Error) => errors.push('code' in error ? String(error.code) : error.message);
    const watching = watchBundle(endpoint, { clock, signal: stop.signal, onError, ...options });
    ended = (async () => {
      for await (const bundle of watching) seen.push(bundle);
    })();
  }

  const sequences = () => seen.map(({ sequence }) => sequence);
  const requests = (count: number) => until(() => peer.requests.length === count, `request ${count}`);
  /** Waits that belong to a fetch, not to the time between two. */
  const OF_A_FETCH: ReadonlySet<number | undefined> = new Set([3000, 5000, 10_000]);
  /** Waits until the watch sleeps between two fetches, and wakes it for the next one. */
  async function next(): Promise<number> {
    const before = peer.connections;
    const isBetween = () => clock.waits().length === 1 && !OF_A_FETCH.has(clock.waits()[0]);
    await until(() => isBetween() && peer.openConnections === 0, 'the wait');
    const [ms = 0] = clock.waits();
    await clock.advance(ms);
    await until(() => peer.connections > before, 'the next fetch');
    return ms;
  }

  it('yields the bundle, and again only when its content changes, by the refresh hint (FED-44)', async () => {
    serve(holding(1n, root));
    watch(overWeb());
    await requests(1);
    const waited = await next();
    expect(waited).toBeGreaterThanOrEqual(54_000);
    expect(waited).toBeLessThanOrEqual(60_000);
    await requests(2);
    expect(peer.requests[1]?.headers['if-none-match']).toBe('"1"');
    await next();
    serve(holding(2n, root));
    await next();
    serve(holding(3n, root, nextRoot));
    await next();
    await until(() => seen.length === 2, 'the change');
    expect(sequences()).toEqual([1n, 3n]);
  });

  it('reports failures, keeps on, and comes back sooner than the hint says (FED-45)', async () => {
    peer.answer = answers.status(500);
    watch(overWeb());
    await requests(1);
    expect(await next()).toBeLessThanOrEqual(2000);
    await requests(2);
    serve(holding(1n, root));
    await next();
    await until(() => seen.length === 1, 'the bundle');
    expect(errors).toEqual(['status-refused', 'status-refused']);
  });

  it('never goes back to an older bundle (FED-48)', async () => {
    serve(holding(5n, root, nextRoot));
    watch(overWeb());
    await requests(1);
    await until(() => seen.length === 1, 'the bundle');
    serve(holding(4n, root));
    await next();
    await until(() => errors.length === 1, 'the error');
    expect([sequences(), errors]).toEqual([[5n], ['sequence-rolled-back']]);
  });

  it('does not yield what is held, and proves the endpoint by the latest bundle (FED-29)', async () => {
    peer.become(svid);
    serve(holding(2n, nextRoot));
    watch(overSpiffe(holding(1n, root)), { held: holding(1n, root) });
    await until(() => seen.length === 1, 'the bundle');
    expect(sequences()).toEqual([2n]);
    await next();
    await until(() => errors.length === 1, 'the refusal of the old root');
    expect(errors).toEqual(['svid-refused']);
    peer.become(await nextRoot.svid(endpointId));
    serve(holding(3n, nextRoot, root));
    await next();
    await until(() => seen.length === 2, 'the change');
  });

  it('ends with the signal, also where a fetch is under way', async () => {
    peer.reception = 'silence';
    watch(overWeb());
    await until(() => peer.connections > 0, 'the connection');
    stop.abort();
    await ended;
    expect([seen, errors]).toEqual([[], []]);
  });
});
