import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type DiscoveryRequest,
  secretDiscoveryService,
  spiffeWorkloadService,
} from '../../src/grpc/index.ts';
import { createMetrics } from '../../src/platform/index.ts';
import { bundleOf, parseTrustDomain, type TrustBundle } from '../../src/spiffe/index.ts';
import { WorkloadServer } from '../../src/workload-api/index.ts';
import { decodeSecret, type SdsSecret } from '../../src/workload-api/secret.ts';
import { HOSTILE_PEERS } from '../../testkit/hostile-peers.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { createTokenKey } from '../../testkit/test-tokens.ts';
import { WorkloadCaller } from '../../testkit/workload-caller.ts';

const { FetchSecrets } = secretDiscoveryService;
const { FetchX509Bundles, FetchJWTBundles } = spiffeWorkloadService;

let own: TestCa;
let old: TestCa;
let next: TestCa;
beforeAll(async () => {
  [own, old, next] = (await Promise.all([
    createTestCa({ trustDomain: 'a.example' }),
    createTestCa({ trustDomain: 'west.example' }),
    createTestCa({ trustDomain: 'west.example' }),
  ])) as [TestCa, TestCa, TestCa];
});

const opened: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

/** A socket that gives out these bundles, and another set after `give`. */
async function serve(...first: readonly TrustBundle[]) {
  const folder = tempDir();
  const socket = folder.file('workload.sock');
  let foreign = first;
  const log = createRecordingLog();
  const server = new WorkloadServer({
    own: () => own.bundle(),
    foreign: () => foreign,
    maxStreams: 10,
    clock: new TestClock(TEST_INSTANT),
    log,
    metrics: createMetrics({ processMetrics: false }),
  });
  await server.start(socket, 0o600);
  const caller = new WorkloadCaller(socket);
  opened.push(
    () => folder[Symbol.dispose](),
    () => server.stop(),
    () => caller[Symbol.dispose](),
  );
  const secret = async (name: string): Promise<SdsSecret | undefined> => {
    const request: DiscoveryRequest = {
      node: { id: 'envoy', cluster: 'test' },
      version_info: '',
      resource_names: [name],
      type_url: '',
      response_nonce: '',
    };
    const { resources } = await caller.call(FetchSecrets, request);
    return resources.map(decodeSecret)[0];
  };
  return {
    log,
    server,
    caller,
    secret,
    /**
     * How many certificates a secret has for each trust domain; those of a merged pool under
     * `pool`.
     */
    counts: async (name: string) => {
      const found = await secret(name);
      const count = (pem: string) => pem.split('-----BEGIN').length - 1;
      if (found?.kind === 'merged-validation') return { pool: count(found.trustedCaPem) };
      if (found?.kind !== 'spiffe-validation') return {};
      return Object.fromEntries(
        found.trustDomains.map(({ name: domain, trustBundlePem }) => [domain, count(trustBundlePem)]),
      );
    },
    give: async (...bundles: readonly TrustBundle[]) => {
      foreign = bundles;
      await server.refresh();
    },
  };
}

const both = () => bundleOf(old.trustDomain, [old.authority, next.authority]);

describe('WorkloadServer with a hostile peer', () => {
  it.each(
    HOSTILE_PEERS,
  )('leaves a peer with %s out of every secret and bundle, reports that, and clears it when the peer is replaced', async (_what, make, code) => {
    const socket = await serve(both());
    const hostile = await make();
    await socket.give(hostile, next.bundle());
    expect(await socket.counts('ALL')).toEqual({ 'a.example': 1, 'west.example': 1 });
    expect(await socket.counts('MERGED')).toEqual({ pool: 2 });
    expect(await socket.counts('spiffe://west.example')).toEqual({ 'west.example': 1 });
    // The secret of an untrusted domain is a root whose key no one has.
    expect(await socket.counts(`spiffe://${hostile.trustDomain}`)).toEqual({ [hostile.trustDomain]: 1 });
    const { bundles } = await socket.caller.first(FetchX509Bundles, {});
    expect(Object.keys(bundles)).toEqual(['spiffe://a.example', 'spiffe://west.example']);
    expect(bundles['spiffe://west.example']).toEqual(Buffer.from(next.root));
    expect(Object.keys((await socket.caller.first(FetchJWTBundles, {})).bundles)).toEqual([
      'spiffe://a.example',
      'spiffe://west.example',
    ]);
    expect(socket.server.serving().unserved).toMatchObject([
      { trustDomain: hostile.trustDomain, code, since: TEST_INSTANT },
    ]);
    await socket.give(hostile, next.bundle());
    expect(await socket.server.correct()).toBe(false);
    expect(socket.log.records.filter(({ message }) => message === 'a peer is not given out')).toHaveLength(1);
    await socket.give(next.bundle());
    expect(socket.server.serving().unserved).toEqual([]);
  });

  it('keeps giving out the earlier roots of a peer that becomes too large, if it still lists them', async () => {
    const [, make] = HOSTILE_PEERS.find(([, , code]) => code === 'too-many-roots') ?? [];
    const large = await make?.();
    if (!large) throw new Error('there is a peer with too many roots');
    const [stays] = large.x509Authorities;
    const ended = await createTestCa({ trustDomain: large.trustDomain });
    if (!stays) throw new Error('it has roots');
    const keys = [createTokenKey('P-256', 'stays').authority, createTokenKey('P-256', 'ends').authority];
    const socket = await serve(
      bundleOf(large.trustDomain, [ended.authority, stays], { jwtAuthorities: keys }),
    );
    await socket.give({ ...large, jwtAuthorities: keys.slice(0, 1) });
    const { bundles } = await socket.caller.first(FetchX509Bundles, {});
    expect(bundles[`spiffe://${large.trustDomain}`]).toEqual(Buffer.from(stays.der));
    const jwt = await socket.caller.first(FetchJWTBundles, {});
    expect(jwt.bundles[`spiffe://${large.trustDomain}`]?.toString()).toContain('"kid":"stays"');
    expect(jwt.bundles[`spiffe://${large.trustDomain}`]?.toString()).not.toContain('"kid":"ends"');
  });

  it('leaves out the largest peers where all together exceed a message, in any order', async () => {
    const { authority } = await createTestCa({
      trustDomain: 'large.example',
      subject: `OU=${'u'.repeat(50_000)},CN=Root`,
    });
    const large = Array.from({ length: 40 }, (_, index) =>
      bundleOf(parseTrustDomain(`large-${index}.example`), [authority]),
    );
    const socket = await serve(...large, next.bundle());
    const names = async () => Object.keys(await socket.counts('ALL')).sort();
    const first = await names();
    expect(first).toContain('west.example');
    expect(first.length).toBeLessThan(40);
    const codes = new Set(socket.server.serving().unserved.map(({ code }) => code));
    expect(codes).toEqual(new Set(['socket-full']));
    await socket.give(next.bundle(), ...large.toReversed());
    expect(await names()).toEqual(first);
  });
});
