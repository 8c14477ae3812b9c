import { describe, expect, it } from 'vitest';
import {
  CLUSTER_TYPE_URL,
  clusterMessage,
  EXTENSION_CONFIG_TYPE_URL,
  extensionConfigMessage,
  HTTP_RBAC_TYPE_URL,
  type Rbac,
} from '../../src/grpc/index.ts';
import { parseSpiffeId } from '../../src/spiffe/index.ts';
import {
  accessFilters,
  decodeAccessFilter,
  decodeDiscoveredService,
  DiscoveryClient,
  DiscoveryService,
  discoveredServices,
  encodeAccessFilter,
  encodeDiscoveredService,
  type NamedResources,
  SdsServer,
} from '../../src/workload-api/index.ts';
import { systemRandom } from '../../src/platform/index.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { until } from '../../testkit/until.ts';

const secrets = { identity: 'default', validation: 'ROOTCA' };
const service = (host: string) => ({
  host,
  port: 80,
  sni: `${host}.example`,
  spiffeIds: [parseSpiffeId('spiffe://b.example/info')],
  endpoints: [
    { host: '10.0.0.1', port: 15_443, priority: 0 },
    { host: 'gw.example', port: 15_443, priority: 1 },
  ],
});
const rules: Rbac = {
  action: 'ALLOW',
  policies: {
    read: {
      permissions: [
        { and_rules: { rules: [{ url_path: { path: { prefix: '/a/' } } }, { destination_port: 80 }] } },
      ],
      principals: [{ not_id: { authenticated: { principal_name: { exact: 'spiffe://b.example/x' } } } }],
    },
  },
};

describe('a service as a cluster', () => {
  it('is read as it was written', () => {
    const read = decodeDiscoveredService(encodeDiscoveredService(service('info'), secrets));
    expect(read).toEqual({ ...service('info'), name: 'outbound|80||info' });
  });

  it('has the endpoints by priority and the type that Envoy needs for host names', () => {
    const { value } = encodeDiscoveredService(service('info'), secrets);
    expect(clusterMessage.decode(value)).toMatchObject({
      type: 'STRICT_DNS',
      load_assignment: { endpoints: [{ priority: 0 }, { priority: 1 }] },
    });
  });

  it('is refused without TLS, an SNI or a SPIFFE ID, and under another name', () => {
    const refused = (value: Buffer) => () => decodeDiscoveredService({ type_url: CLUSTER_TYPE_URL, value });
    const bare = clusterMessage.encode({ name: 'outbound|80||info', type: 'STATIC' });
    expect(refused(bare)).toThrow(expect.objectContaining({ code: 'cluster-malformed' }));
    expect(refused(clusterMessage.encode({ name: 'info', type: 'STATIC' }))).toThrow(
      expect.objectContaining({ code: 'cluster-malformed' }),
    );
    for (const change of [{ sni: '' }, { spiffeIds: [] }]) {
      const resource = encodeDiscoveredService({ ...service('info'), ...change }, secrets);
      expect(() => decodeDiscoveredService(resource)).toThrow(
        expect.objectContaining({ code: 'cluster-malformed' }),
      );
    }
  });
});

describe('an access filter', () => {
  it('is read as it was written', () => {
    expect(decodeAccessFilter(encodeAccessFilter({ name: 'inbound-allow', rules }))).toEqual({
      name: 'inbound-allow',
      rules,
    });
  });

  it.each([
    ['no permission', { permissions: [], principals: [{ any: true }] }],
    ['an empty principal', { permissions: [{ any: true }], principals: [{}] }],
    ['an empty permission inside another', { permissions: [{ not_rule: {} }], principals: [{ any: true }] }],
    ['a caller without a name', { permissions: [{ any: true }], principals: [{ authenticated: {} }] }],
    [
      'an empty list of conditions',
      { permissions: [{ and_rules: { rules: [] } }], principals: [{ any: true }] },
    ],
  ])('with %s is refused, because it must not read as no condition', (_what, policy) => {
    const resource = encodeAccessFilter({ name: 'x', rules: { action: 'ALLOW', policies: { policy } } });
    expect(() => decodeAccessFilter(resource)).toThrow(
      expect.objectContaining({ code: 'access-filter-malformed' }),
    );
  });

  it('with a condition that we do not know is refused', () => {
    // rules=1 { action=1 ALLOW, policies=2 { key=1 "p", value=2 { permissions=1 { metadata=7 {} },
    // principals=2 { any=3 true } } } }
    const value = Buffer.from('0a0f120d0a017012080a023a0012021801', 'hex');
    const config = { name: 'x', typed_config: { type_url: HTTP_RBAC_TYPE_URL, value } };
    const resource = { type_url: EXTENSION_CONFIG_TYPE_URL, value: extensionConfigMessage.encode(config) };
    expect(() => decodeAccessFilter(resource)).toThrow(
      expect.objectContaining({ code: 'access-filter-malformed' }),
    );
  });
});

describe('discovery over a socket', () => {
  it('follows changes, takes removed services away, and keeps the last good of a bad one', async () => {
    using folder = tempDir();
    const log = createRecordingLog();
    const socketPath = folder.file('mesh.sock');
    let clusters: NamedResources = new Map();
    const filter = encodeAccessFilter({ name: 'inbound-allow', rules });
    const served = new DiscoveryService({ kind: 'cluster', resources: () => clusters, log });
    const filters = new DiscoveryService({
      kind: 'extension config',
      resources: () => new Map([['inbound-allow', filter]]),
      log,
    });
    const server = new SdsServer({ secrets: () => undefined, beside: [served, filters], log });
    await server.start(socketPath);
    const common = {
      socketPath,
      nodeId: 'test',
      clock: new TestClock(new Date()),
      random: systemRandom,
      log,
    };
    const client = new DiscoveryClient({ ...common, kind: discoveredServices });
    const other = new DiscoveryClient({ ...common, kind: accessFilters, resourceNames: ['inbound-allow'] });
    const hosts = () => client.all().map(({ host }) => host);
    const offer = (...names: string[]) => {
      clusters = new Map(names.map((name) => [name, encodeDiscoveredService(service(name), secrets)]));
      served.pushChanged();
    };
    try {
      client.start();
      other.start();
      await until(() => client.answered, 'an answer although there is no service');
      await until(() => other.current('inbound-allow') !== undefined, 'the filter');
      offer('info', 'web');
      await until(() => hosts().join() === 'info,web', 'two services');
      offer('web');
      await until(() => hosts().join() === 'web', 'one service');
      clusters = new Map([...clusters, ['bad', { type_url: CLUSTER_TYPE_URL, value: Buffer.from([0xff]) }]]);
      served.pushChanged();
      await until(
        () => log.records.some(({ fields }) => fields['code'] === 'resource-refused'),
        'the refusal at the server',
      );
      expect(hosts()).toEqual(['web']);
      offer();
      await until(() => hosts().length === 0, 'none');
    } finally {
      await client.stop();
      await other.stop();
      await server.stop();
    }
  });
});
