import { describe, expect, it } from 'vitest';
import { DirectPaths, type DirectTarget } from '../../../src/service-exchange/importer/direct-paths.ts';
import { importedServiceOf } from '../../../src/service-exchange/importer/imported-service-of.ts';
import { probeDirect } from '../../../src/service-exchange/importer/probe-direct.ts';
import { freePorts } from '../../../src/demonstration/demo/free-ports.ts';
import { createSpiffeVerifier, MtlsServer, svidFromPem } from '../../../src/mtls/index.ts';
import { silentLog, systemClock } from '../../../src/platform/index.ts';
import { type OfferedService, parseServiceId } from '../../../src/services/index.ts';
import { parseSpiffeId, parseTrustDomain, type TrustDomain } from '../../../src/spiffe/index.ts';
import { createRecordingLog } from '../../../testkit/recording-log.ts';
import { TEST_INSTANT } from '../../../testkit/test-ca.ts';
import { TestClock } from '../../../testkit/test-clock.ts';
import { presentCa, presentTimes } from '../../../testkit/agent-process.ts';
import { ChangingSvid } from '../../../testkit/changing-svid.ts';
import { until } from '../../../testkit/until.ts';

const OWNER = parseTrustDomain('b.example');
const target = (more: Partial<DirectTarget> = {}): DirectTarget => ({
  trustDomain: OWNER,
  host: '10.0.0.7',
  port: 8443,
  sni: 'info.b.example',
  spiffeIds: [parseSpiffeId('spiffe://b.example/info')],
  ...more,
});

function world(targets: DirectTarget[]) {
  const clock = new TestClock(TEST_INSTANT);
  const state = { targets, away: new Set<number>(), probes: 0, changes: 0, running: 0, most: 0 };
  const paths = new DirectPaths({
    probe: async ({ port }) => {
      state.probes += 1;
      state.running += 1;
      state.most = Math.max(state.most, state.running);
      await new Promise((resolve) => setImmediate(resolve));
      state.running -= 1;
      if (state.away.has(port)) throw new Error('away');
    },
    targets: () => state.targets,
    clock,
    random: { fraction: () => 1, bytes: (length) => new Uint8Array(length) },
    log: createRecordingLog(),
  });
  paths.onChange(() => {
    state.changes += 1;
    paths.wake();
  });
  return { state, paths, clock };
}

describe('a direct path', () => {
  it('counts once the identity is proved there, until it is not, and stays out for a minute then', async () => {
    const { state, paths, clock } = world([target()]);
    expect(paths.isProved(target())).toBe(false);
    paths.start();
    await until(() => paths.isProved(target()), 'the proof');
    expect(paths.isProved(target({ spiffeIds: [parseSpiffeId('spiffe://b.example/other')] }))).toBe(false);
    expect(paths.isProved(target({ sni: 'other.b.example' }))).toBe(false);
    state.away.add(8443);
    await clock.advance(20_000);
    await until(() => !paths.isProved(target()), 'the loss');
    state.away.clear();
    await clock.advance(40_000);
    expect(paths.isProved(target())).toBe(false);
    await clock.advance(40_000);
    await until(() => paths.isProved(target()), 'the proof again');
    expect(state.changes).toBe(3);
    await paths.stop();
  });

  it('is tried once a second at most, however often something changes', async () => {
    const { state, paths, clock } = world([target()]);
    paths.start();
    await until(() => state.probes > 0, 'the first try');
    for (let turn = 0; turn < 50; turn += 1) {
      paths.wake();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(state.probes).toBe(1);
    await clock.advance(1000);
    await until(() => state.probes === 2, 'the next try');
    await paths.stop();
  });

  it('is forgotten when its owner names it no more, and nothing is waited for without a target', async () => {
    const { state, paths, clock } = world([target()]);
    paths.start();
    await until(() => paths.isProved(target()), 'the proof');
    state.targets = [];
    await clock.advance(20_000);
    await until(() => !paths.isProved(target()), 'the end');
    await clock.advance(20_000);
    expect(clock.waits()).toEqual([]);
    state.targets = [target()];
    paths.wake();
    await until(() => paths.isProved(target()), 'the proof again');
    await paths.stop();
  });

  it('is tried with eight handshakes at once, and for 64 places of a peer at most', async () => {
    const other = target({ trustDomain: parseTrustDomain('c.example') });
    const many = Array.from({ length: 700 }, (_, index) => target({ port: 1000 + index }));
    const { state, paths } = world([...many, other]);
    paths.start();
    await until(() => state.probes === 65 && state.running === 0, 'all tries');
    expect(state.most).toBe(8);
    expect(paths.isProved(target({ port: 1063 }))).toBe(true);
    expect(paths.isProved(target({ port: 1064 }))).toBe(false);
    expect(paths.isProved(other)).toBe(true);
    await paths.stop();
  });
});

describe('an import with direct places', () => {
  const service: OfferedService = {
    id: parseServiceId('info'),
    spiffeIds: [parseSpiffeId('spiffe://b.example/info')],
    ports: [
      {
        name: 'http',
        port: 80,
        protocol: 'http',
        serverFirst: false,
        sni: 'info.b.example',
        gateways: ['gw1', 'gw2'],
        direct: [{ network: 'n1', host: '10.0.0.7', port: 8443 }],
      },
    ],
    mayCall: [],
    state: 'serving',
  };
  const gateways = [
    { id: 'gw1', host: '203.0.113.1', port: 15443, priority: 0 },
    { id: 'gw2', host: '203.0.113.2', port: 15443, priority: 1 },
  ];
  const row = {
    trustDomain: OWNER,
    service: 'info',
    name: 'info.b.federated',
    namespaces: ['*'],
    since: TEST_INSTANT,
    state: 'serving' as const,
    actor: 'x',
  };
  const endpoints = (isProved: boolean, egress?: { host: string; port: number }) =>
    importedServiceOf(row, service, gateways, egress, () => isProved).ports[0]?.endpoints.map(
      ({ host, priority, path }) => [host, priority, path],
    );

  it('prefers them once they are proved, and has its gateways behind them', () => {
    expect(endpoints(false)).toEqual([
      ['203.0.113.1', 0, 'gateway'],
      ['203.0.113.2', 1, 'gateway'],
    ]);
    expect(endpoints(true)).toEqual([
      ['10.0.0.7', 0, 'direct'],
      ['203.0.113.1', 1, 'gateway'],
      ['203.0.113.2', 2, 'gateway'],
    ]);
  });

  it('prefers them to an egress gateway too', () => {
    expect(endpoints(true, { host: '10.9.9.9', port: 15443 })).toEqual([
      ['10.0.0.7', 0, 'direct'],
      ['10.9.9.9', 1, 'gateway'],
    ]);
  });
});

describe('probeDirect()', () => {
  it('proves who is there by a real handshake: the right identity, by roots that count', async () => {
    const [a, b, stranger] = await Promise.all([
      presentCa('a.example'),
      presentCa('b.example'),
      presentCa('b.example', 'CN=stranger'),
    ]);
    const bundles = {
      bundleFor: (trustDomain: TrustDomain) =>
        [a.bundle(), b.bundle()].find((each) => each.trustDomain === trustDomain),
    };
    const verifier = createSpiffeVerifier({ bundles, clock: systemClock });
    const svidOf = async (ca: typeof a, path: string) => {
      const leaf = await ca.issueLeaf({ ...presentTimes(), path });
      return new ChangingSvid(svidFromPem(leaf.certPem, leaf.keyPem));
    };
    const ours = await svidOf(a, '/agent');
    const probe = async (ca: typeof a, path: string) => {
      const server = new MtlsServer({
        svid: await svidOf(ca, path),
        verifier,
        authorize: () => undefined,
        onConnection: (socket) => socket.destroy(),
        log: silentLog,
      });
      const [port = 0] = await freePorts(1);
      await server.listen(port, '127.0.0.1');
      try {
        await probeDirect(
          target({ host: '127.0.0.1', port }),
          { verifier, svid: ours },
          new AbortController().signal,
        );
        return 'proved';
      } catch (error) {
        return error instanceof Error && 'code' in error ? error.code : error;
      } finally {
        await server.close(0);
      }
    };
    expect(await probe(b, '/info')).toBe('proved');
    expect(await probe(b, '/other')).toBe('peer-not-authorized');
    expect(await probe(stranger, '/info')).not.toBe('proved');
  });
});
