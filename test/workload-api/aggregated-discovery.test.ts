import { Client, type ClientDuplexStream, credentials } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import {
  aggregatedDiscoveryService,
  CLUSTER_TYPE_URL,
  clusterMessage,
  type DiscoveryRequest,
  type DiscoveryResponse,
  EXTENSION_CONFIG_TYPE_URL,
  httpManagerMessage,
  LISTENER_TYPE_URL,
  listenerMessage,
} from '../../src/grpc/index.ts';
import { createMetrics } from '../../src/platform/index.ts';
import { parseCaller, parseServiceId } from '../../src/services/index.ts';
import { decodeAccessFilter } from '../../src/workload-api/access-filter.ts';
import { serviceResources, WorkloadServer } from '../../src/workload-api/index.ts';
import type { KnownServices } from '../../src/workload-api/service-resources.ts';
import { importedPort, importedService } from '../../testkit/imported-services.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { TEST_INSTANT } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { until } from '../../testkit/until.ts';

const LISTEN = { host: '127.0.0.1', port: 15_001 };
const shop = {
  id: parseServiceId('shop'),
  ports: [
    { name: 'http', port: 8080, protocol: 'http' as const, serverFirst: false },
    { name: 'sql', port: 5432, protocol: 'tcp' as const, serverFirst: false },
  ],
};

/** A socket that tells proxies of services, and one proxy on it. */
async function openSocket(known: { imports: KnownServices['imports']; access: KnownServices['access'] }) {
  const folder = tempDir();
  const log = createRecordingLog();
  const server = new WorkloadServer({
    own: () => undefined,
    foreign: () => [],
    services: () => serviceResources(known, LISTEN),
    maxStreams: 2,
    clock: new TestClock(TEST_INSTANT),
    log,
    metrics: createMetrics({ processMetrics: false }),
  });
  const path = folder.file('workload.sock');
  await server.start(path, 0o600);
  const clients: Client[] = [];
  const open = () => {
    const client = new Client(`unix:${path}`, credentials.createInsecure());
    clients.push(client);
    const {
      path: method,
      requestSerialize,
      responseDeserialize,
    } = aggregatedDiscoveryService.StreamAggregatedResources;
    const stream: ClientDuplexStream<DiscoveryRequest, DiscoveryResponse> = client.makeBidiStreamRequest(
      method,
      requestSerialize,
      responseDeserialize,
    );
    const got: DiscoveryResponse[] = [];
    const ended: { code?: number } = {};
    stream.on('data', (response: DiscoveryResponse) => got.push(response));
    stream.on('error', () => {});
    stream.on('status', ({ code }) => {
      ended.code = code;
    });
    const ask = (type_url: string, more: Partial<DiscoveryRequest> = {}) =>
      stream.write({ type_url, resource_names: [], version_info: '', response_nonce: '', ...more });
    return { got, ended, ask };
  };
  return {
    open,
    log,
    changed: () => server.servicesChanged(),
    [Symbol.asyncDispose]: async () => {
      for (const client of clients) client.close();
      await server.stop();
      folder[Symbol.dispose]();
    },
  };
}

const clustersIn = (response: DiscoveryResponse | undefined) =>
  response?.resources.map(({ value }) => clusterMessage.decode(value).name);
const hostsIn = (response: Pick<DiscoveryResponse, 'resources'> | undefined) =>
  response?.resources.flatMap(({ value }) => {
    const [chain] = listenerMessage.decode(value).filter_chains;
    const config = chain?.filters[0]?.typed_config;
    const manager = config && httpManagerMessage.decode(config.value);
    return manager?.route_config?.virtual_hosts.map(({ domains }) => domains) ?? [];
  });
const ofType = (got: readonly DiscoveryResponse[], type: string) =>
  got.filter(({ type_url }) => type_url === type);

describe('services over ADS', () => {
  it('come on one stream: clusters, a listener by host name, and after each change what is another now', async () => {
    const known: { imports: KnownServices['imports']; access: KnownServices['access'] } = {
      imports: [importedService()],
      access: [],
    };
    await using socket = await openSocket(known);
    const { got, ask } = socket.open();
    ask(CLUSTER_TYPE_URL);
    await until(() => got.length === 1, 'the clusters');
    expect(got.map(clustersIn)).toEqual([['outbound|80||info.west.federated']]);
    ask(LISTENER_TYPE_URL);
    await until(() => got.length === 2, 'the listener');
    expect(hostsIn(got[1])).toEqual([['info.west.federated:80', 'info.west.federated']]);
    // The same once more is not sent.
    socket.changed();
    known.imports = [importedService(), importedService({ id: 'web' })];
    socket.changed();
    await until(() => got.length === 4, 'both again');
    expect(clustersIn(ofType(got, CLUSTER_TYPE_URL)[1])).toEqual([
      'outbound|80||info.west.federated',
      'outbound|80||web.west.federated',
    ]);
    known.imports = [];
    socket.changed();
    await until(() => got.length === 6, 'the empty lists');
    expect(clustersIn(ofType(got, CLUSTER_TYPE_URL)[2])).toEqual([]);
    expect(hostsIn(ofType(got, LISTENER_TYPE_URL)[2])).toEqual([]);
  });

  it('route no TCP port and no service that drains, and keep its cluster', () => {
    const tcp = importedService({
      id: 'db',
      ports: [importedPort({ name: 'sql', port: 5432, protocol: 'tcp' })],
    });
    const draining = importedService({ id: 'old', state: 'draining' });
    const { clusters, listeners } = serviceResources({ imports: [tcp, draining], access: [] }, LISTEN);
    expect([...clusters.keys()]).toEqual([
      'outbound|5432||db.west.federated',
      'outbound|80||old.west.federated',
    ]);
    const [listener] = listeners.values();
    expect(listener && hostsIn({ resources: [listener] })).toEqual([]);
    expect(serviceResources({ imports: [tcp], access: [] }, undefined).listeners.size).toBe(0);
  });

  it('give HTTP/2 to the ports that speak it, and to no other', () => {
    const grpc = importedService({
      ports: [importedPort({ protocol: 'grpc' }), importedPort({ name: 'plain', port: 81 })],
    });
    const { clusters } = serviceResources({ imports: [grpc], access: [] }, undefined);
    const options = [...clusters.values()].map(({ value }) =>
      Object.keys(clusterMessage.decode(value).typed_extension_protocol_options ?? {}),
    );
    expect(options).toEqual([['envoy.extensions.upstreams.http.v3.HttpProtocolOptions'], []]);
  });
});

describe('access filters over ADS', () => {
  it('let exactly the rules in, and nobody where there is no such service or port', async () => {
    const rule = {
      id: 'read',
      effect: 'allow' as const,
      callers: [parseCaller('spiffe://b.example/x')],
      ports: ['http'],
    };
    const known: { imports: KnownServices['imports']; access: KnownServices['access'] } = {
      imports: [],
      access: [{ service: shop, rules: [rule] }],
    };
    await using socket = await openSocket(known);
    const { got, ask } = socket.open();
    const names = [
      'shop/http/allow',
      'shop/sql/allow-connections',
      'gone/http/allow',
      'shop/http/deny',
      'no-filter',
    ];
    ask(EXTENSION_CONFIG_TYPE_URL, { resource_names: names });
    await until(() => got.length === 1, 'the filters');
    const http = (got[0]?.resources ?? [])
      .filter(({ value }) => !value.includes('network.rbac'))
      .map(decodeAccessFilter);
    expect(http.map(({ name, rules }) => [name, rules.action, Object.keys(rules.policies)])).toEqual([
      ['shop/http/allow', 'ALLOW', ['read']],
      ['gone/http/allow', 'ALLOW', []],
      ['shop/http/deny', 'DENY', []],
    ]);
    expect(got[0]?.resources ?? []).toHaveLength(4);
    known.access = [];
    socket.changed();
    await until(() => got.length === 2, 'the closed filter');
    const closed = (got[1]?.resources ?? [])
      .filter(({ value }) => !value.includes('network.rbac'))
      .map(decodeAccessFilter);
    expect(closed.map(({ rules }) => Object.keys(rules.policies))).toEqual([[], [], []]);
  });
});

describe('a stream of ADS', () => {
  it('gets no answer for a type that is not served, and the refusal of a resource is logged', async () => {
    await using socket = await openSocket({ imports: [importedService()], access: [] });
    const { got, ask } = socket.open();
    ask('type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment', { resource_names: ['x'] });
    ask(CLUSTER_TYPE_URL);
    await until(() => got.length === 1, 'the clusters');
    ask(CLUSTER_TYPE_URL, { response_nonce: got[0]?.nonce ?? '', error_detail: { code: 3, message: 'no' } });
    await until(() => socket.log.records.length > 0, 'the refusal');
    expect(socket.log.records[0]).toMatchObject({
      level: 'warn',
      fields: { code: 'resource-refused', reason: 'no' },
    });
  });

  it('is refused beyond the limit, and its place is free again at its end', async () => {
    await using socket = await openSocket({ imports: [], access: [] });
    const streams = [socket.open(), socket.open(), socket.open()];
    for (const { ask } of streams) ask(CLUSTER_TYPE_URL);
    await until(() => streams.some(({ ended }) => ended.code === 8), 'the refusal of one');
    expect(streams.filter(({ ended }) => ended.code === 8)).toHaveLength(1);
  });
});
