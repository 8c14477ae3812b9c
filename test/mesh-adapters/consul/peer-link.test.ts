import type { ServerResponse } from 'node:http';
import { PeerImports } from '../../../src/mesh-adapters/consul/peer-imports.ts';
import { PeerLink } from '../../../src/mesh-adapters/consul/peer-link.ts';
import { peerNameOf } from '../../../src/mesh-adapters/consul/render.ts';
import { bundleOf, parseTrustDomain, type TrustBundle } from '../../../src/spiffe/index.ts';
import { status as grpcStatus, Metadata } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  EXPORTED_SERVICE_LIST_URL,
  exportedServiceListMessage,
  leaderAddressMessage,
  type ReplicationMessage,
  statusMessage,
} from '../../../src/grpc/index.ts';
import {
  createConsulAdapter,
  type ForeignTrustReport,
  type MeshAdapter,
  MeshAdapterError,
} from '../../../src/mesh-adapters/index.ts';
import { systemRandom } from '../../../src/platform/index.ts';
import { startConsul } from '../../simulated-mesh/support/meshes.ts';
import { createRecordingLog } from '../../../testkit/recording-log.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';
import { createTestCa, type TestCa } from '../../../testkit/test-ca.ts';
import { TestClock } from '../../../testkit/test-clock.ts';
import { untilHealed } from '../until.ts';
import { until } from '../../../testkit/until.ts';
import { acceptBundles, FakeCluster, type FakeStream } from './fake-cluster.ts';

const TOKEN = '/v1/peering/token';
const { signal } = new AbortController();

let cluster: FakeCluster;
let clock: TestClock;
let adapter: MeshAdapter;
let log: ReturnType<typeof createRecordingLog>;
let west: TestCa;
let reports: ForeignTrustReport[];
const last = () => reports.at(-1);

beforeEach(async () => {
  cluster = await FakeCluster.start();
  clock = new TestClock(new Date('2030-01-01T12:00:00Z'));
  west = await createTestCa({ trustDomain: 'west.example' });
  log = createRecordingLog();
  reports = [];
  open(cluster.url);
});
afterEach(async () => {
  await adapter.stop();
  await cluster[Symbol.asyncDispose]();
});

function open(address: string): void {
  adapter = createConsulAdapter({ address, clock, random: systemRandom, log });
  adapter.onReport((report) => void reports.push(report));
}

/** Starts the comparison; its report arrives in `reports`. */
function apply(): void {
  adapter.applyForeignTrust([west.bundle()], signal).catch(() => {});
}

async function acceptedOnce(): Promise<void> {
  apply();
  await until(() => last()?.state === 'accepted', 'the first acceptance');
}

describe('PeerLink: exported services', () => {
  it('reports them with the acceptance, in order and without their proxies, and when they change', async () => {
    let stream: FakeStream | undefined;
    cluster.onStream = (opened) => {
      stream = opened;
      acceptBundles(opened);
    };
    await acceptedOnce();
    expect(last()).not.toHaveProperty('code');
    const exportServices = (...services: string[]) =>
      stream?.write({
        response: {
          nonce: '1',
          resource_url: EXPORTED_SERVICE_LIST_URL,
          resource_id: 'exported-service-list',
          resource: {
            type_url: EXPORTED_SERVICE_LIST_URL,
            value: exportedServiceListMessage.encode({ services }),
          },
          operation: 1,
        },
      });
    exportServices('info', 'backend', 'info-sidecar-proxy');
    await until(() => last()?.code === 'services-exported', 'the services');
    expect(last()).toMatchObject({ state: 'accepted', message: 'exported to it: "backend", "info"' });
    exportServices(...Array.from({ length: 25 }, (_, index) => `s${index + 10}`));
    await until(() => last()?.message?.endsWith('and 5 more') === true, 'the longer list');
    exportServices();
    await until(() => last()?.code === undefined, 'that there are none');
    expect(reports.every(({ state }) => state === 'accepted')).toBe(true);
  });
});

describe('PeerLink: silence', () => {
  it('keeps a stream with heartbeats, and sends its own every 15 s', async () => {
    let heartbeats = 0;
    cluster.onStream = (stream) => {
      acceptBundles(stream);
      stream.on('data', ({ heartbeat }: ReplicationMessage) => {
        if (!heartbeat) return;
        heartbeats += 1;
        stream.write({ heartbeat: {} });
      });
    };
    await acceptedOnce();
    for (let beat = 1; beat <= 20; beat += 1) {
      await clock.advance(15_000);
      await until(() => heartbeats === beat, 'the heartbeat');
      // Until its answer is here as well.
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(cluster.streams).toHaveLength(1);
    expect(reports.map(({ state, code }) => [state, code])).toEqual([['accepted', undefined]]);
  });

  it('gives a silent stream up after two minutes, reports it, and the bundle stays accepted until it dials again', async () => {
    await acceptedOnce();
    for (let beat = 0; beat < 7; beat += 1) await clock.advance(15_000);
    expect(reports).toHaveLength(1);
    await clock.advance(15_000);
    expect(last()).toMatchObject({
      state: 'accepted',
      code: 'peer-stream-lost',
      message: 'the cluster was silent for two minutes',
    });
    await untilHealed(
      clock,
      () => cluster.streams.length === 2 && last()?.code === undefined,
      'the next stream',
    );
    expect(last()).toMatchObject({ state: 'accepted', trustDomain: 'west.example' });
    // The stream's secret is still good: no new token was requested.
    expect(cluster.requestsTo(TOKEN)).toHaveLength(1);
  });

  it('gives up a server that takes the stream and does not answer the opening within 15 s', async () => {
    cluster.onStream = () => {};
    apply();
    await until(() => cluster.streams.length === 1, 'the stream');
    await clock.advance(14_999);
    expect(reports).toEqual([]);
    await clock.advance(1);
    expect(last()).toMatchObject({
      state: 'failed',
      code: 'peer-stream-lost',
      message: expect.stringContaining('did not answer the opening'),
    });
    cluster.onStream = acceptBundles;
    await untilHealed(clock, () => last()?.state === 'accepted', 'the recovery');
  });

  it('gives up an exchange of secrets after 10 s, and takes a new token for the next', async () => {
    cluster.onExchange = () => {};
    apply();
    await until(() => cluster.requestsTo(TOKEN).length === 1, 'the token');
    await untilHealed(clock, () => last()?.code === 'mesh-unreachable', 'the end of the exchange');
    expect(last()).toMatchObject({ state: 'failed', message: expect.stringContaining('10000 ms') });
    cluster.onExchange = (_, callback) => callback(null, { stream_secret: 'second' });
    await untilHealed(clock, () => last()?.state === 'accepted', 'the recovery');
    expect(cluster.requestsTo(TOKEN).length).toBeGreaterThan(1);
  });
});

describe('PeerLink: tokens', () => {
  it.each([
    [403, "Permission denied: token lacks permission 'peering:write'", 'mesh-forbidden'],
    [500, 'No cluster leader', 'mesh-unavailable'],
  ])('reports %i for a token, and recovers when one is given', async (status, text, code) => {
    let refused = true;
    cluster.answer = ({ path }, response) => {
      if (path !== TOKEN || !refused) return false;
      response.writeHead(status).end(text);
      return true;
    };
    apply();
    await until(() => last() !== undefined, 'the report');
    expect(last()).toMatchObject({
      state: 'failed',
      code,
      message: expect.stringContaining(text.slice(0, 17)),
    });
    refused = false;
    await untilHealed(clock, () => last()?.state === 'accepted', 'the recovery');
  });

  it('reports what an unusable token lacks, and never its content', async () => {
    cluster.answer = ({ path }, response) => {
      if (path !== TOKEN) return false;
      const token = Buffer.from('{"EstablishmentSecret":"hush"}').toString('base64');
      response.end(JSON.stringify({ PeeringToken: token }));
      return true;
    };
    apply();
    await until(() => last() !== undefined, 'the report');
    expect(last()).toMatchObject({ state: 'failed', code: 'peering-token-malformed' });
    expect(JSON.stringify([reports, log.records.map(({ fields }) => String(fields['error']))])).not.toMatch(
      /hush|aHVza/,
    );
  });
});

describe('PeerLink: the leader', () => {
  const notLeader = (details: { type_url: string; value: Buffer }[]) => {
    const metadata = new Metadata();
    const code = grpcStatus.FAILED_PRECONDITION;
    metadata.set('grpc-status-details-bin', statusMessage.encode({ code, message: 'no leader', details }));
    return { code, details: 'node is not a leader', metadata };
  };
  const leaderIs = (address: string) =>
    notLeader([
      {
        type_url: 'type.googleapis.com/hashicorp.consul.internal.peerstream.LeaderAddress',
        value: leaderAddressMessage.encode({ address }),
      },
    ]);
  const fail = (stream: FakeStream, error: object) => void stream.emit('error', error);

  it('dials the leader that a follower names, at once, and stays there', async () => {
    await using leader = await FakeCluster.start(cluster.ca);
    cluster.onStream = (stream) => fail(stream, leaderIs(leader.grpcAddress));
    await acceptedOnce();
    expect(cluster.streams).toHaveLength(1);
    expect(leader.streams).toHaveLength(1);
    // No pause, and no failure reported.
    expect(clock.monotonicMs()).toBe(0);
    expect(reports).toHaveLength(1);
  });

  it('dials the leader also when the exchange of secrets is redirected', async () => {
    await using leader = await FakeCluster.start(cluster.ca);
    cluster.onExchange = (_, callback) => callback(leaderIs(leader.grpcAddress));
    await acceptedOnce();
    expect(cluster.streams).toHaveLength(0);
    expect(leader.streams).toHaveLength(1);
  });

  it('returns to the addresses of the token when the leader is gone', async () => {
    const leader = await FakeCluster.start(cluster.ca);
    cluster.onStream = (stream) => fail(stream, leaderIs(leader.grpcAddress));
    await acceptedOnce();
    cluster.onStream = acceptBundles;
    await leader[Symbol.asyncDispose]();
    await until(() => last()?.code === 'peer-stream-lost', 'the loss');
    expect(last()).toMatchObject({ state: 'accepted' });
    await untilHealed(clock, () => last()?.code === undefined, 'the recovery');
    expect(cluster.streams).toHaveLength(2);
  });

  it('follows five leaders in a row and then takes a pause: two servers may each name the other', async () => {
    cluster.onStream = (stream) => fail(stream, leaderIs(cluster.grpcAddress));
    apply();
    await until(() => last() !== undefined, 'the report');
    expect(last()).toMatchObject({ state: 'failed', code: 'peer-stream-lost' });
    expect(cluster.streams).toHaveLength(6);
    cluster.onStream = acceptBundles;
    await untilHealed(clock, () => last()?.state === 'accepted', 'the recovery');
  });

  it.each([
    ['nobody', notLeader([])],
    ['a socket file', leaderIs('unix:/run/other.sock')],
    ['an empty address', leaderIs('')],
    [
      'bytes that are not an address',
      notLeader([{ type_url: 'x.LeaderAddress', value: Buffer.from([0xff, 0xff, 0xff]) }]),
    ],
  ])('dials nothing where the follower names %s, and tries the token again after a pause', async (_what, error) => {
    cluster.onStream = (stream) => fail(stream, error);
    apply();
    await until(() => last() !== undefined, 'the report');
    expect(last()).toMatchObject({
      state: 'failed',
      code: 'peer-stream-lost',
      message: expect.stringContaining('FAILED_PRECONDITION'),
    });
    expect(cluster.streams).toHaveLength(1);
    cluster.onStream = acceptBundles;
    await untilHealed(clock, () => last()?.state === 'accepted', 'the recovery');
  });
});

describe('PeerLink: a cluster that was signed or named again', () => {
  const away = (stream: FakeStream) =>
    void stream.emit('error', { code: grpcStatus.UNAVAILABLE, details: 'nothing comes of it' });

  it('requests another token when every stream fails, and dials the servers of that one', async () => {
    await acceptedOnce();
    // Its CA is new, so the content of the first token is useless.
    await using fresh = await FakeCluster.start();
    cluster.answer = ({ path }, response) => {
      if (path !== TOKEN) return false;
      response.end(JSON.stringify({ PeeringToken: fresh.token() }));
      return true;
    };
    cluster.onStream = away;
    cluster.streams[0]?.end();
    await until(() => last()?.code === 'peer-stream-lost', 'the loss');
    expect(last()?.state).toBe('accepted');
    await untilHealed(clock, () => fresh.streams.length === 1, 'the stream to the new servers');
    await until(() => last()?.code === undefined, 'the recovery');
    expect(cluster.requestsTo(TOKEN)).toHaveLength(2);
  });

  it('keeps the secret it has while the API gives no other token, or one for the same servers', async () => {
    let exchanges = 0;
    cluster.onExchange = (_, callback) => {
      exchanges += 1;
      callback(null, { stream_secret: 'stream-secret' });
    };
    await acceptedOnce();
    let refused = true;
    cluster.answer = ({ path }, response) => {
      if (path !== TOKEN || !refused) return false;
      response.writeHead(500).end('no leader');
      return true;
    };
    cluster.onStream = away;
    cluster.streams[0]?.end();
    await untilHealed(clock, () => cluster.requestsTo(TOKEN).length === 3, 'two tokens that are not given');
    refused = false;
    await untilHealed(clock, () => cluster.requestsTo(TOKEN).length === 4, 'one that is');
    cluster.onStream = acceptBundles;
    await untilHealed(clock, () => last()?.code === undefined, 'the recovery');
    expect(exchanges).toBe(1);
  });
});

describe('PeerLink.dialNow()', () => {
  it('ends the pause before the next dialing, once, and does nothing at other times', async () => {
    let dialed = 0;
    const link = new PeerLink({
      bundle: west.bundle(),
      roots: [west.authority],
      generateToken: async () => {
        dialed += 1;
        throw new MeshAdapterError('mesh-unreachable', 'it is away');
      },
      imports: new PeerImports(),
      onReport: () => {},
      onImports: () => {},
      clock,
      random: systemRandom,
      log,
    });
    await until(() => dialed === 1, 'the first dialing');
    await until(() => log.records.length === 1, 'its end');
    await clock.untilSleeping();
    link.dialNow();
    await until(() => dialed === 2, 'the second dialing, without a pause');
    await clock.untilSleeping();
    expect(dialed).toBe(2);
    await link.stop();
    link.dialNow();
    expect(dialed).toBe(2);
  });
});

describe('PeerLink: a peering that the cluster ended', () => {
  it('tells that it is over and its trust with it, and begins again with a new token', async () => {
    await acceptedOnce();
    cluster.streams[0]?.write({ terminated: {} });
    await until(() => last()?.state === 'failed', 'the end');
    expect(last()).toMatchObject({
      code: 'peering-terminated',
      message: 'the cluster has ended the peering',
    });
    await untilHealed(clock, () => last()?.state === 'accepted', 'the new peering');
    expect(cluster.requestsTo(TOKEN)).toHaveLength(2);
    expect(last()?.code).toBeUndefined();
  });

  it.each([
    ['NOT_FOUND', grpcStatus.NOT_FOUND],
    ['ABORTED', grpcStatus.ABORTED],
    ['INVALID_ARGUMENT', grpcStatus.INVALID_ARGUMENT],
  ])('stops reporting accepted when it learns of the end only by %s at the next dialing', async (_what, code) => {
    await acceptedOnce();
    cluster.onStream = (stream) => void stream.emit('error', { code, details: 'unknown peering' });
    cluster.streams[0]?.end();
    await until(() => last()?.code === 'peer-stream-lost', 'the loss');
    expect(last()?.state).toBe('accepted');
    await untilHealed(clock, () => last()?.code === 'peering-terminated', 'the refusal');
    expect(last()?.state).toBe('failed');
    cluster.onStream = acceptBundles;
    await untilHealed(clock, () => last()?.state === 'accepted', 'the new peering');
    expect(cluster.requestsTo(TOKEN).length).toBeGreaterThan(1);
  });

  it('reports a secret that is refused (PERMISSION_DENIED), and takes a new token', async () => {
    cluster.onExchange = (_, callback) =>
      callback({ code: grpcStatus.PERMISSION_DENIED, details: 'invalid peering establishment secret' });
    apply();
    await until(() => last() !== undefined, 'the report');
    expect(last()).toMatchObject({ state: 'failed', code: 'peering-secret-refused' });
    cluster.onExchange = (_, callback) => callback(null, { stream_secret: 'good' });
    await untilHealed(clock, () => last()?.state === 'accepted', 'the recovery');
  });

  it('does not hammer a cluster that takes every bundle and ends every peering at once', async () => {
    cluster.onStream = (stream) => {
      acceptBundles(stream);
      stream.on('data', ({ response }: ReplicationMessage) => {
        if (response) setImmediate(() => stream.write({ terminated: {} }));
      });
    };
    apply();
    let passed = 0;
    while (passed < 600_000) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      await clock.advance(1000);
      passed += 1000;
    }
    const tokens = cluster.requestsTo(TOKEN).length;
    // Half a minute at the longest between two tries, and shorter only at the beginning.
    expect(tokens).toBeGreaterThan(10);
    expect(tokens).toBeLessThan(60);
  });

  it('makes the peering again that an operator deleted in the cluster', async () => {
    using folder = tempDir();
    await adapter.stop();
    // The simulation's certificates are judged by the system's time.
    clock = new TestClock(new Date());
    const consul = await startConsul(folder.path, { clock });
    open(consul.url);
    await acceptedOnce();
    const peerings = async () => {
      const answer = await fetch(`${consul.url}/v1/peerings`);
      return (await answer.json()) as { Name: string; State: string }[];
    };
    const [first] = await peerings();
    const name = first?.Name ?? '';
    await fetch(`${consul.url}/v1/peering/${name}`, { method: 'DELETE' });
    await until(() => last()?.code === 'peering-terminated', 'the end');
    expect(last()?.state).toBe('failed');
    expect(consul.mesh.status().foreign).toEqual([]);
    await untilHealed(clock, () => last()?.state === 'accepted', 'the new peering');
    expect(await peerings()).toMatchObject([{ Name: name, State: 'ACTIVE' }]);
    expect(consul.mesh.status().foreign).toMatchObject([{ trustDomain: 'west.example' }]);
    await adapter.stop();
    await consul.mesh.stop();
  });
});

describe('ForeignTrustWriter of Consul', () => {
  it.each([
    ['500', 'mesh-unavailable', 500, 'No cluster leader'],
    ['no list', 'mesh-answer-malformed', 200, '{}'],
    ['a peering without a name', 'mesh-answer-malformed', 200, '[{"State":"ACTIVE"}]'],
    ['no JSON', 'mesh-answer-malformed', 200, '[{'],
  ])('opens and deletes nothing where the peerings are answered with %s, and reports %s', async (_what, code, status, body) => {
    cluster.answer = ({ path }, response) => {
      if (path !== '/v1/peerings') return false;
      response.writeHead(status).end(body);
      return true;
    };
    await expect(adapter.applyForeignTrust([west.bundle()], signal)).rejects.toMatchObject({ code });
    expect(adapter.status()).toMatchObject({ connected: false, code });
    expect(cluster.requests.every(({ method }) => method === 'GET')).toBe(true);
    cluster.answer = () => false;
    expect(await adapter.applyForeignTrust([west.bundle()], signal)).toMatchObject([{ state: 'accepted' }]);
    expect(adapter.status()).toMatchObject({ connected: true });
  });

  it.each([
    ['is slow', () => {}],
    [
      'breaks off in the middle',
      (response: ServerResponse) => {
        response.writeHead(200, { 'content-length': '1000' });
        response.write('[{"Name":', () => response.destroy());
      },
    ],
  ])('gives up a control plane that %s (mesh-unreachable), and writes when it is well again', async (_what, answer) => {
    cluster.answer = ({ path }, response) => {
      if (path !== '/v1/peerings') return false;
      answer(response);
      return true;
    };
    const applied = adapter.applyForeignTrust([west.bundle()], signal).catch((error: unknown) => error);
    await untilHealed(clock, () => adapter.status().code === 'mesh-unreachable', 'the end of the request');
    expect(await applied).toMatchObject({ code: 'mesh-unreachable' });
    cluster.answer = () => false;
    expect(await adapter.applyForeignTrust([west.bundle()], signal)).toMatchObject([{ state: 'accepted' }]);
  });

  it('continues with the others when a peering cannot be deleted, and reports whose trust is still there', async () => {
    let refused = true;
    const old = { Name: peerNameOf(parseTrustDomain('old.example'), 'federate-'), State: 'ACTIVE' };
    cluster.answer = ({ method, path }, response) => {
      if (path === '/v1/peerings')
        response.end(JSON.stringify([{ ...old, Meta: { 'federate-trust-domain': 'old.example' } }]));
      else if (method === 'DELETE') response.writeHead(refused ? 500 : 200).end(refused ? 'No leader' : '');
      else return false;
      return true;
    };
    const revoked = bundleOf(parseTrustDomain('old.example'), []);
    const reports = (...wanted: TrustBundle[]) => adapter.applyForeignTrust(wanted, signal);
    const failed = { trustDomain: 'old.example', state: 'failed', code: 'mesh-unavailable' };
    expect(await reports(west.bundle())).toMatchObject([{ state: 'accepted' }, failed]);
    expect(await reports(west.bundle(), revoked)).toMatchObject([{ state: 'accepted' }, failed]);
    refused = false;
    expect(await reports(west.bundle(), revoked)).toMatchObject([
      { state: 'accepted' },
      { trustDomain: 'old.example', state: 'accepted' },
    ]);
    expect(await reports(west.bundle())).toMatchObject([
      { state: 'accepted' },
      { trustDomain: 'old.example', state: 'removed' },
    ]);
  });

  it('reports a bundle that the control plane refuses, with its reason, and does not send it repeatedly', async () => {
    cluster.onStream = (stream) => {
      acceptBundles(stream);
      const write = stream.write.bind(stream);
      stream.write = ((message: ReplicationMessage) =>
        write(
          message.request && message.request.response_nonce !== ''
            ? { request: { ...message.request, error: { code: 3, message: 'no such luck' } } }
            : message,
        )) as FakeStream['write'];
    };
    const [report] = await adapter.applyForeignTrust([west.bundle()], signal);
    expect(report).toMatchObject({
      state: 'refused',
      code: 'mesh-refused',
      message: expect.stringContaining('no such luck'),
    });
    const [again] = await adapter.applyForeignTrust([west.bundle()], signal);
    expect(again).toMatchObject({ state: 'refused' });
    expect(cluster.streams).toHaveLength(1);
  });
});
