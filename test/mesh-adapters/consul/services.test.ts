import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  createConsulAdapter,
  type MeshAdapter,
  type MeshServices,
} from '../../../src/mesh-adapters/index.ts';
import { silentLog, systemRandom } from '../../../src/platform/index.ts';
import {
  type AccessRule,
  type ImportedService,
  type OwnService,
  parseCaller,
  parseServiceId,
  type Protocol,
} from '../../../src/services/index.ts';
import { parseSpiffeId, parseTrustDomain } from '../../../src/spiffe/index.ts';
import { importedPort, importedService } from '../../../testkit/imported-services.ts';
import { createTestCa, type TestCa } from '../../../testkit/test-ca.ts';
import { TestClock } from '../../../testkit/test-clock.ts';
import { untilHealed } from '../until.ts';
import { FakeCluster } from './fake-cluster.ts';
import { FakeServices } from './fake-services.ts';

const { signal } = new AbortController();
const WEST = parseTrustDomain('west.example');
const NORTH = parseTrustDomain('north.example');
const PEER = 'federate-west-example-ec326d4a';
const WEB = 'spiffe://west.example/ns/shop/sa/web';
const OWN = 'spiffe://fake.consul/ns/default/dc/dc1/svc/info';

let cluster: FakeCluster;
let fake: FakeServices;
let adapter: MeshAdapter;
let services: MeshServices;
let west: TestCa;
let clock: TestClock;

beforeEach(async () => {
  cluster = await FakeCluster.start();
  fake = new FakeServices(cluster);
  fake.peerings = [{ Name: PEER, State: 'ACTIVE', Meta: { 'federate-trust-domain': WEST } }];
  west = await createTestCa({ trustDomain: WEST });
  clock = new TestClock(new Date('2030-01-01T12:00:00Z'));
  open();
});
afterEach(async () => {
  await adapter.stop();
  await cluster[Symbol.asyncDispose]();
});

function open(more: { readonly access?: 'external' } = {}): void {
  adapter = createConsulAdapter({
    address: cluster.url,
    clock,
    random: systemRandom,
    log: silentLog,
    ...more,
  });
  if (!adapter.services) throw new TypeError('the Consul adapter knows services');
  services = adapter.services;
}

/** Lets the time pass that the work needs. */
async function passing<Value>(work: Promise<Value>): Promise<Value> {
  let isOver = false;
  const end = () => (isOver = true);
  work.then(end, end);
  await untilHealed(clock, () => isOver, 'the end of the work');
  return await work;
}

const imported = (id: string, more: Partial<ImportedService> = {}): ImportedService =>
  importedService({ ...more, id });

describe('MeshServices.applyImports() of Consul', () => {
  const trust = () => adapter.applyForeignTrust([west.bundle()], signal);

  it('announces an import once its peering carries the bundle, and reports the upstream to configure', async () => {
    expect(await services.applyImports([imported('web.shop')], signal)).toMatchObject([
      {
        subject: 'import',
        service: 'web.shop',
        trustDomain: WEST,
        state: 'pending',
        code: 'peering-missing',
      },
    ]);
    await trust();
    expect(await services.applyImports([imported('web.shop')], signal)).toMatchObject([
      {
        state: 'accepted',
        message: `the upstream has destination_peer "${PEER}" and destination_name web-shop`,
      },
    ]);
    const [node] = fake.announced.get('web-shop-sidecar-proxy')?.nodes ?? [];
    expect(node).toMatchObject({
      node: { address: '203.0.113.7' },
      service: {
        kind: 'connect-proxy',
        service: 'web-shop-sidecar-proxy',
        address: '203.0.113.7',
        port: 15443,
        proxy: { destination_service_name: 'web-shop' },
        connect: {
          peer_meta: {
            sni: ['web.shop.west.example'],
            spiffe_id: ['spiffe://west.example/ns/weather/sa/web-shop'],
            protocol: 'http',
          },
        },
      },
      checks: [{ status: 'passing', service_name: 'web-shop-sidecar-proxy' }],
    });
  });

  it('makes each port a service of its own, and each endpoint of the first priority an instance', async () => {
    await trust();
    const endpoints = ['203.0.113.7', '203.0.113.8', '203.0.113.9'].map((host, index) => ({
      host,
      port: 15443,
      priority: index < 2 ? 0 : 1,
      path: 'gateway' as const,
    }));
    const ports = [
      importedPort({ endpoints }),
      importedPort({ name: 'admin', port: 9090, sni: 'admin.web.west.example', protocol: 'tcp' }),
    ];
    const [report] = await services.applyImports([imported('web', { ports })], signal);
    expect([...fake.announced.keys()].toSorted()).toEqual([
      'web-admin-sidecar-proxy',
      'web-http-sidecar-proxy',
    ]);
    const addresses = fake.announced
      .get('web-http-sidecar-proxy')
      ?.nodes.map(({ service }) => service.address);
    expect(addresses).toEqual(['203.0.113.7', '203.0.113.8']);
    expect(report?.message).toContain(
      'web-admin (port admin), web-http (port http); Consul has no priorities',
    );
  });

  it('sends nothing again for the same imports, and nothing of a dropped one stays', async () => {
    await trust();
    await services.applyImports([imported('web'), imported('api')], signal);
    const sent = fake.received;
    await services.applyImports([imported('web'), imported('api')], signal);
    expect(fake.received).toBe(sent);
    expect(await services.applyImports([imported('api')], signal)).toMatchObject([
      { service: 'api', state: 'accepted' },
      { service: 'web', state: 'removed' },
    ]);
    expect([...fake.announced.keys()]).toEqual(['api-sidecar-proxy']);
    expect(await services.applyImports([], signal)).toMatchObject([{ service: 'api', state: 'removed' }]);
    expect([...fake.announced.keys()]).toEqual([]);
    expect(await services.applyImports([], signal)).toEqual([]);
  });

  it('marks an import that drains as critical, so that proxies open no new connection', async () => {
    await trust();
    await services.applyImports([imported('web', { state: 'draining' })], signal);
    const [node] = fake.announced.get('web-sidecar-proxy')?.nodes ?? [];
    expect(node?.checks).toMatchObject([{ status: 'critical' }]);
  });

  it('keeps the services of a peer when the agent restarts, until it knows which are wanted', async () => {
    await trust();
    await services.applyImports([imported('web')], signal);
    await adapter.stop();
    open();
    await trust();
    expect([...fake.announced.keys()]).toEqual(['web-sidecar-proxy']);
    await services.applyImports([], signal);
    expect([...fake.announced.keys()]).toEqual([]);
  });

  it.each([
    ['web.shop', 'web-shop'],
    ['web-shop', 'web.shop'],
  ])('refuses the later of two imports with one name in Consul: %s was first', async (first, second) => {
    await trust();
    await services.applyImports([imported(first)], signal);
    expect(await services.applyImports([imported(second), imported(first)], signal)).toMatchObject([
      { service: second, state: 'refused', code: 'import-name-taken' },
      { service: first, state: 'accepted' },
    ]);
  });

  it('reports what the control plane refuses of one import, and continues with the others', async () => {
    await trust();
    fake.refusal = (name) => (name.startsWith('web') ? 'no such luck' : undefined);
    const reports = await services.applyImports([imported('web'), imported('api')], signal);
    expect(reports).toMatchObject([
      { service: 'web', state: 'refused', code: 'mesh-refused' },
      { service: 'api', state: 'accepted' },
    ]);
    expect(reports[0]?.message).toContain('no such luck');
  });

  it('reports a dropped import as failed until the cluster answers that it is gone', async () => {
    await trust();
    await services.applyImports([imported('web')], signal);
    fake.isSilent = true;
    const drop = () => passing(services.applyImports([], signal));
    const failed = { service: 'web', state: 'failed', code: 'mesh-not-gone' };
    expect(await drop()).toMatchObject([failed]);
    expect(await drop()).toMatchObject([failed]);
  });

  it('forgets what the cluster accepted when the trust is taken away, and announces it again with the trust', async () => {
    await trust();
    await services.applyImports([imported('web')], signal);
    await adapter.applyForeignTrust([], signal);
    fake.announcedBy.clear();
    expect(await services.applyImports([imported('web')], signal)).toMatchObject([{ state: 'pending' }]);
    await trust();
    expect(await services.applyImports([imported('web')], signal)).toMatchObject([{ state: 'accepted' }]);
    expect([...fake.announced.keys()]).toEqual(['web-sidecar-proxy']);
  });
});

describe('MeshServices.readServices() of Consul', () => {
  it('reads services with a sidecar or mTLS of their own, with identity, protocol and the address for mTLS', async () => {
    fake.instances = [
      { service: 'info', address: '10.0.0.5', port: 21000, localPort: 8080 },
      { service: 'native', kind: '', native: true, port: 9000 },
      { service: 'behind-gateway', kind: 'terminating-gateway' },
    ];
    fake.put({ Kind: 'proxy-defaults', Name: 'global', Config: { protocol: 'http' } });
    fake.put({ Kind: 'service-defaults', Name: 'native', Protocol: 'grpc' });
    expect(await services.readServices(signal)).toEqual([
      {
        id: 'info',
        ports: [
          {
            name: 'http',
            port: 8080,
            protocol: 'http',
            serverFirst: false,
            target: { host: '10.0.0.5', port: 21000 },
          },
        ],
        spiffeIds: [OWN],
        labels: {},
        origin: 'mesh',
      },
      {
        id: 'native',
        ports: [
          {
            name: 'grpc',
            port: 9000,
            protocol: 'grpc',
            serverFirst: false,
            target: { host: '10.0.0.9', port: 9000 },
          },
        ],
        spiffeIds: ['spiffe://fake.consul/ns/default/dc/dc1/svc/native'],
        labels: {},
        origin: 'mesh',
      },
    ]);
  });

  it('chooses a healthy instance as the address, whatever the order of the answer', async () => {
    fake.instances = [
      { service: 'info', address: '10.0.0.7', port: 21000 },
      { service: 'info', address: '10.0.0.6', port: 21000 },
      { service: 'info', address: '10.0.0.5', port: 21000, status: 'critical' },
    ];
    const target = async () => (await services.readServices(signal))[0]?.ports[0]?.target?.host;
    expect(await target()).toBe('10.0.0.6');
    fake.instances = fake.instances.toReversed();
    expect(await target()).toBe('10.0.0.6');
    fake.instances = fake.instances.filter(({ status }) => status === 'critical');
    expect(await target()).toBe('10.0.0.5');
  });

  it('says why a service cannot be exported: its name, or sidecars that take plain text', async () => {
    fake.instances = [{ service: 'Billing_API' }, { service: 'info' }, { service: '1st' }];
    fake.put({ Kind: 'service-defaults', Name: 'info', MutualTLSMode: 'permissive' });
    const read = await services.readServices(signal);
    expect(read.map(({ id, obstacle }) => [id, obstacle?.code])).toEqual([
      ['x-1st', 'service-name-not-dns'],
      ['billing-api', 'service-name-not-dns'],
      ['info', 'mtls-permissive'],
    ]);
  });

  it('takes exports of others to our peerings as exports to the trust domain, also those of all services', async () => {
    fake.instances = [{ service: 'api' }, { service: 'info' }];
    const exported = async (...Services: object[]) => {
      fake.put({ Kind: 'exported-services', Name: 'default', Services });
      return (await services.readServices(signal)).map(({ id, exportedTo }) => [id, exportedTo]);
    };
    expect(await exported({ Name: 'info', Consumers: [{ Peer: PEER }, { Peer: 'partner' }] })).toEqual([
      ['api', undefined],
      ['info', [WEST]],
    ]);
    expect(await exported({ Name: '*', Consumers: [{ Peer: PEER }] })).toEqual([
      ['api', [WEST]],
      ['info', [WEST]],
    ]);
  });

  it.each([
    ['/v1/catalog/services', '[]'],
    ['/v1/health/connect/info', '[{"Node":{}}]'],
    ['/v1/config/exported-services/default', '7'],
  ])('refuses an answer of %s that it does not understand', async (path, body) => {
    fake.instances = [{ service: 'info' }];
    const answer = cluster.answer;
    cluster.answer = (request, response) => {
      if (request.path !== path) return answer(request, response);
      response.end(body);
      return true;
    };
    await expect(services.readServices(signal)).rejects.toMatchObject({ code: 'mesh-answer-malformed' });
  });
});

const own = (name = 'info', more: Partial<OwnService> = {}): OwnService => ({
  id: parseServiceId(name),
  ports: [{ name: 'tcp', port: 8080, protocol: 'tcp', serverFirst: false }],
  spiffeIds: [parseSpiffeId(`spiffe://fake.consul/ns/default/dc/dc1/svc/${name}`)],
  labels: {},
  origin: 'mesh',
  ...more,
});
const EXPORTS = 'exported-services/default';

describe('MeshServices.applyExports() of Consul', () => {
  const apply = (...names: string[]) =>
    services.applyExports(
      names.map((name) => ({ service: own(name), consumers: [WEST] })),
      signal,
    );

  it('makes the entry where there is none, and deletes it with the last export', async () => {
    expect(await apply('info')).toMatchObject([{ subject: 'export', service: 'info', state: 'accepted' }]);
    expect(fake.entry(EXPORTS)).toMatchObject({
      Services: [{ Name: 'info', Consumers: [{ Peer: PEER }] }],
    });
    await apply('info');
    expect(fake.writes).toBe(1);
    expect(await apply()).toMatchObject([{ service: 'info', state: 'removed' }]);
    expect(fake.entry(EXPORTS)).toBeUndefined();
    expect(await apply()).toEqual([]);
    expect(fake.writes).toBe(2);
  });

  it.each([
    ['of another service', [{ Name: 'api', Consumers: [{ Peer: 'partner' }] }], { owner: 'by hand' }],
    ['of the same service to another peer', [{ Name: 'info', Consumers: [{ Peer: 'partner' }] }], undefined],
    ['of the same service to the same peer', [{ Name: 'info', Consumers: [{ Peer: PEER }] }], undefined],
    [
      'to a partition and a sameness group',
      [{ Name: 'info', Consumers: [{ Partition: 'x' }, { SamenessGroup: 'y' }] }],
      undefined,
    ],
    ['of a namespace', [{ Name: 'info', Namespace: 'team', Consumers: [{ Peer: PEER }] }], undefined],
    ['without services', undefined, { note: 'x' }],
  ])('leaves an export %s as it was', async (_what, Services, Meta) => {
    fake.put({
      Kind: 'exported-services',
      Name: 'default',
      ...(Services && { Services }),
      ...(Meta && { Meta }),
    });
    const before = fake.entry(EXPORTS);
    await apply('info', 'web');
    const peers = JSON.stringify(fake.entry(EXPORTS)?.['Services']);
    expect(peers).toContain(`{"Name":"web","Consumers":[{"Peer":"${PEER}"}]}`);
    await apply('info');
    await apply();
    expect(fake.entry(EXPORTS)).toEqual(before);
  });

  it('writes again where another writer was faster, and loses nothing of the other', async () => {
    fake.put({ Kind: 'exported-services', Name: 'default', Services: [] });
    fake.beforeWrite = () =>
      fake.put({
        Kind: 'exported-services',
        Name: 'default',
        Services: [{ Name: 'api', Consumers: [{ Peer: 'partner' }] }],
      });
    await passing(apply('info'));
    expect(fake.entry(EXPORTS)).toMatchObject({
      Services: [
        { Name: 'api', Consumers: [{ Peer: 'partner' }] },
        { Name: 'info', Consumers: [{ Peer: PEER }] },
      ],
    });
  });

  it('tells many exports of ours from those of others', async () => {
    const names = Array.from({ length: 100 }, (_, index) => `svc-${index}`);
    fake.put({
      Kind: 'exported-services',
      Name: 'default',
      Services: [{ Name: 'svc-7', Consumers: [{ Peer: PEER }] }],
    });
    const before = fake.entry(EXPORTS);
    await apply(...names);
    expect(Object.values(fake.entry(EXPORTS)?.['Meta'] as object).every((each) => each.length <= 512)).toBe(
      true,
    );
    await apply();
    expect(fake.entry(EXPORTS)).toEqual(before);
  });

  it('refuses every export and withdraws its own where intentions allow by default, unless another filter decides', async () => {
    await apply('info');
    fake.intentionDefault = 'allow';
    expect(await apply('info')).toMatchObject([{ state: 'refused', code: 'intentions-default-allow' }]);
    expect(fake.entry(EXPORTS)).toBeUndefined();
    await adapter.stop();
    open({ access: 'external' });
    expect(await apply('info')).toMatchObject([{ state: 'accepted', code: 'intentions-default-allow' }]);
    fake.intentionDefault = undefined;
    expect(await apply('info')).toMatchObject([{ state: 'accepted', code: 'intention-default-unknown' }]);
  });

  it('refuses a service that is not one of Consul, and Consul itself, and exports the others', async () => {
    const foreign = own('info', { spiffeIds: [parseSpiffeId('spiffe://fake.consul/workload')] });
    const reports = await services.applyExports(
      [foreign, own('consul'), own('web')].map((service) => ({ service, consumers: [WEST] })),
      signal,
    );
    expect(reports).toMatchObject([
      { state: 'refused', code: 'service-not-consul' },
      { state: 'refused', code: 'service-not-exportable' },
      { state: 'accepted' },
    ]);
    expect(fake.entry(EXPORTS)).toMatchObject({ Services: [{ Name: 'web' }] });
  });

  it('reports an export to a peer whose peering is not there yet as pending', async () => {
    const [report] = await services.applyExports([{ service: own(), consumers: [WEST, NORTH] }], signal);
    expect(report).toMatchObject({ state: 'pending', code: 'peering-missing' });
    expect(report?.message).toContain(NORTH);
  });
});

const INTENTIONS = 'service-intentions/info';
const API = 'spiffe://west.example/ns/default/dc/dc1/svc/api';

describe('MeshServices.applyAccess() of Consul', () => {
  const allow = (...callers: string[]): AccessRule => ({
    id: 'read',
    effect: 'allow',
    callers: callers.map(parseCaller),
  });
  const apply = (rules: readonly AccessRule[] | undefined, protocol: Protocol = 'tcp') =>
    services.applyAccess(
      rules === undefined
        ? []
        : [
            {
              policy: {
                service: {
                  id: parseServiceId('info'),
                  ports: [{ name: 'main', port: 8080, protocol, serverFirst: false }],
                },
                rules,
              },
              placement: { namespace: 'default', labels: {}, peerNames: {} },
            },
          ],
      signal,
    );

  it('names a service of a peer, denies the rest of that peer, and says nothing about the own mesh', async () => {
    expect(await apply([allow(API)])).toMatchObject([
      { subject: 'access', service: 'info', state: 'accepted' },
    ]);
    expect(fake.entry(INTENTIONS)?.['Sources']).toMatchObject([
      { Name: 'api', Peer: PEER, Action: 'allow' },
      { Name: '*', Peer: PEER, Action: 'deny' },
    ]);
    await apply([allow(API)]);
    expect(fake.writes).toBe(1);
    await apply(undefined);
    expect(fake.entry(INTENTIONS)).toBeUndefined();
  });

  it('allows a whole trust domain, and denies one service of it', async () => {
    const deny: AccessRule = { id: 'not-api', effect: 'deny', callers: [parseCaller(API)] };
    await apply([allow(WEST), deny]);
    expect(fake.entry(INTENTIONS)?.['Sources']).toMatchObject([
      { Name: 'api', Peer: PEER, Action: 'deny' },
      { Name: '*', Peer: PEER, Action: 'allow' },
    ]);
  });

  it('keeps the sources of others, and takes exactly its own away', async () => {
    fake.put({
      Kind: 'service-intentions',
      Name: 'info',
      Meta: { owner: 'by hand' },
      Sources: [
        { Name: '*', Action: 'deny' },
        { Name: 'web', Action: 'allow', Description: 'by hand', Permissions: [] },
        { Name: 'api', Peer: 'partner', Action: 'allow' },
      ],
    });
    const before = fake.entry(INTENTIONS);
    await apply([allow(API)]);
    expect(fake.entry(INTENTIONS)?.['Sources']).toHaveLength(5);
    await apply([allow(API)]);
    expect(fake.writes).toBe(1);
    await apply([]);
    expect(fake.entry(INTENTIONS)).toEqual(before);
  });

  it('refuses a caller for whom others have a source, and leaves nothing wider of its own', async () => {
    await apply([allow(WEST)]);
    const entry = fake.entry(INTENTIONS) ?? {};
    fake.put({
      ...entry,
      Kind: 'service-intentions',
      Name: 'info',
      Sources: [{ Name: 'api', Peer: PEER, Action: 'deny' }, ...(entry['Sources'] as object[])],
    });
    expect(await apply([allow(API)])).toMatchObject([{ state: 'refused', code: 'intention-not-ours' }]);
    expect(fake.entry(INTENTIONS)?.['Sources']).toMatchObject([{ Name: 'api', Peer: PEER, Action: 'deny' }]);
  });

  it('does not write over intentions with IDs of the time before config entries', async () => {
    fake.put({
      Kind: 'service-intentions',
      Name: 'info',
      Sources: [{ Name: 'web', Action: 'allow', LegacyID: '5' }],
    });
    expect(await apply([allow(API)])).toMatchObject([{ state: 'refused', code: 'intention-legacy' }]);
    expect(fake.writes).toBe(0);
  });

  it.each([
    ['an identity that is not one of Consul', allow(WEB), 'caller'],
    ['a trust domain without a peering', allow('east.example'), 'caller'],
  ])('leaves out a rule with %s, names the element and the way out, and writes the others', async (_what, rule, element) => {
    const [alone] = await apply([rule]);
    expect(alone).toMatchObject({ state: 'accepted', code: 'rule-left-out' });
    expect(alone?.message).toContain(`rule read, ${element}: `);
    expect(fake.entry(INTENTIONS)).toBeUndefined();
    await apply([{ ...allow(API), id: 'api' }, rule]);
    expect(fake.entry(INTENTIONS)?.['Sources']).toMatchObject([{ Name: 'api' }, { Name: '*' }]);
  });

  it('writes nothing of a policy with a deny rule that it cannot express, and takes away what was there', async () => {
    await apply([allow(WEST)]);
    const deny: AccessRule = { id: 'not-web', effect: 'deny', callers: [parseCaller(WEB)] };
    expect(await apply([allow(WEST), deny])).toMatchObject([
      { state: 'refused', code: 'policy-not-expressible' },
    ]);
    expect(fake.entry(INTENTIONS)).toBeUndefined();
  });

  it('refuses rules of a service that is HTTP to Consul, and takes away what it wrote before', async () => {
    await apply([allow(API)]);
    fake.put({ Kind: 'service-defaults', Name: 'info', Protocol: 'http' });
    expect(await apply([allow(API)])).toMatchObject([
      { state: 'refused', code: 'intention-wants-mesh-gateway' },
    ]);
    expect(fake.entry(INTENTIONS)).toBeUndefined();
  });

  it('refuses every rule where intentions allow by default', async () => {
    fake.intentionDefault = 'allow';
    expect(await apply([allow(API)])).toMatchObject([{ state: 'refused', code: 'intentions-default-allow' }]);
  });

  it('writes no intention where another filter decides, and says where the rules hold', async () => {
    await apply([allow(API)]);
    await adapter.stop();
    open({ access: 'external' });
    expect(await apply([allow(WEB)])).toMatchObject([{ state: 'written', code: 'access-external' }]);
    expect(fake.entry(INTENTIONS)).toBeUndefined();
  });

  it('reports what Consul refuses, and leaves nothing wider of its own', async () => {
    await apply([allow(WEST)]);
    const answer = cluster.answer;
    cluster.answer = (request, response) => {
      if (request.method !== 'PUT' || !request.body.includes('"api"')) return answer(request, response);
      response.writeHead(400).end('Sources[0]: no such luck');
      return true;
    };
    const [report] = await apply([allow(API)]);
    expect(report).toMatchObject({ state: 'refused', code: 'mesh-refused' });
    expect(report?.message).toContain('no such luck');
    expect(fake.entry(INTENTIONS)).toBeUndefined();
  });
});
