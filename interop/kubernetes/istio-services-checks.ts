import assert from 'node:assert/strict';
import type { MeshServices, ServiceReport, WantedAccess } from '../../src/mesh-adapters/index.ts';
import { type ImportedService, parseCaller, parsePathMatch } from '../../src/services/index.ts';
import { parseSpiffeId } from '../../src/spiffe/index.ts';
import { importedPort, importedService } from '../../testkit/imported-services.ts';
import type { InteropCheck } from '../support/program.ts';
import { Cluster } from './cluster.ts';
import { ISTIO_NAMESPACE } from './istio-cluster.ts';
import {
  addService,
  istioAdapter,
  NETWORKING,
  prepareIstioServices,
  SECURITY,
  WORKLOADS,
} from './istio-services-cluster.ts';
import { itemsOf, type SeenObject } from './objects.ts';

/** The services of the Istio adapter at a real API server, with the rights of the docs and no more. */
export const istioServicesChecks: readonly InteropCheck[] = [
  {
    name: 'Istio services: imports and access applied, idempotent, restored after an edit, removed to the letter',
    run: applyEditRemove,
  },
  { name: 'Istio services: Services and pods read, with what stands in the way', run: readServices },
];

const { signal } = new AbortController();
const gateway = (host: string, priority = 0) => ({ host, port: 15443, priority, path: 'gateway' }) as const;

/** Imports of every form that we write. */
export const IMPORTS: readonly ImportedService[] = [
  importedService({ namespaces: [WORKLOADS] }),
  importedService({
    id: 'named',
    namespaces: ['*'],
    ports: [importedPort({ sni: 'named.west.example', endpoints: [gateway('gw.west.example')] })],
  }),
  importedService({
    id: 'failover',
    namespaces: [WORKLOADS],
    ports: [
      importedPort({
        sni: 'failover.west.example',
        endpoints: [gateway('203.0.113.7'), gateway('203.0.113.8', 1), gateway('203.0.113.9', 2)],
      }),
    ],
  }),
  importedService({
    id: 'ports',
    namespaces: [WORKLOADS],
    ports: (['http', 'http2', 'grpc', 'tcp'] as const).map((protocol, index) =>
      importedPort({ name: protocol, protocol, port: 8000 + index, sni: `${protocol}.ports.west.example` }),
    ),
  }),
  importedService({ id: 'draining', namespaces: [WORKLOADS], state: 'draining' }),
];

async function applyEditRemove(executable: string): Promise<void> {
  await using cluster = await Cluster.start(executable);
  await prepareIstioServices(cluster);
  await addForeign(cluster);
  const adapter = istioAdapter(cluster);
  const services = servicesOf(adapter.services);
  const before = await stateOf(cluster);

  const access = await accessTo(services);
  assertWritten(await services.applyImports(IMPORTS, signal), IMPORTS.length);
  assertWritten(await services.applyAccess([access], signal), 1);
  const written = await stateOf(cluster);
  assert.notEqual(written, before);
  await services.applyImports(IMPORTS.toReversed(), signal);
  await services.applyAccess([access], signal);
  // A new adapter knows nothing of the one before.
  await servicesOf(istioAdapter(cluster).services).applyImports(IMPORTS, signal);
  assert.equal(await stateOf(cluster), written, 'a second time changes no version of any object');

  const rules = `${NETWORKING}/namespaces/${ISTIO_NAMESPACE}/destinationrules`;
  const [rule] = (await itemsOf(cluster, rules)).filter(({ metadata }) => metadata.name.includes('-info-'));
  assert(rule);
  await cluster.call('PUT', `${rules}/${rule.metadata.name}`, {
    ...rule,
    spec: { ...rule.spec, trafficPolicy: { tls: { mode: 'SIMPLE' } } },
  });
  const entries = `${NETWORKING}/namespaces/${ISTIO_NAMESPACE}/serviceentries`;
  const [entry] = (await itemsOf(cluster, entries)).filter(({ metadata }) =>
    metadata.name.includes('-ports-'),
  );
  assert(entry);
  await cluster.call('DELETE', `${entries}/${entry.metadata.name}`);
  assertWritten(await services.applyImports(IMPORTS, signal), IMPORTS.length);
  assert.equal(withoutVersions(await stateOf(cluster)), withoutVersions(written), 'all is as it was');

  const missing = { ...access, placement: { ...access.placement, namespace: 'nowhere' } };
  const [failed] = await services.applyAccess([missing], signal);
  assert(failed?.state === 'failed' && failed.code !== undefined, `${failed?.state} ${failed?.code}`);

  assert.deepEqual(
    (await services.applyImports([], signal)).map(({ state }) => state),
    IMPORTS.map(() => 'removed'),
  );
  await services.applyAccess([], signal);
  assert.equal(await stateOf(cluster), before, 'byte for byte as before');
  await adapter.stop();
}

async function readServices(executable: string): Promise<void> {
  await using cluster = await Cluster.start(executable);
  await prepareIstioServices(cluster);
  await addService(cluster, 'plain', '10.0.0.10', [{ name: 'app', image: 'x' }]);
  const services = servicesOf(istioAdapter(cluster).services);
  const found = await services.readServices(signal);
  const web = found.find(({ id }) => id === 'web.shop');
  assert.deepEqual(web?.spiffeIds, ['spiffe://istio.example/ns/shop/sa/web-account']);
  assert.equal(web.obstacle, undefined);
  const [port] = web.ports;
  assert(port?.port === 8080 && port.target?.port === 80 && port.target.host.startsWith('10.0.0.'));
  assert.equal(found.find(({ id }) => id === 'plain.shop')?.obstacle?.code, 'not-in-mesh');
  assert.equal(found.find(({ id }) => id === 'kubernetes.default')?.obstacle?.code, 'no-selector');
  const policies = `${SECURITY}/namespaces/${ISTIO_NAMESPACE}/peerauthentications`;
  await cluster.call('DELETE', `${policies}/default`);
  const open = (await services.readServices(signal)).find(({ id }) => id === 'web.shop');
  assert.equal(open?.obstacle?.code, 'mtls-not-strict');
}

/** What others have in the kinds that we write, with the label of objects that were compiled and applied by hand. */
async function addForeign(cluster: Cluster): Promise<void> {
  const labels = { 'app.kubernetes.io/managed-by': 'federate' };
  const create = (path: string, kind: string, name: string, spec: object) =>
    cluster.call('POST', path, {
      apiVersion: path.includes('security') ? 'security.istio.io/v1' : 'networking.istio.io/v1',
      kind,
      metadata: { name, labels },
      spec,
    });
  const networking = `${NETWORKING}/namespaces/${ISTIO_NAMESPACE}`;
  await create(`${networking}/serviceentries`, 'ServiceEntry', 'theirs', {
    hosts: ['theirs.example'],
    ports: [{ number: 443, name: 'tls', protocol: 'TLS' }],
    resolution: 'DNS',
  });
  await create(`${networking}/destinationrules`, 'DestinationRule', 'theirs', { host: 'theirs.example' });
  await create(
    `${SECURITY}/namespaces/${WORKLOADS}/authorizationpolicies`,
    'AuthorizationPolicy',
    'federate-other-allow',
    { action: 'ALLOW', rules: [{}] },
  );
}

/** A policy of `web` with an allow rule and a deny rule. */
export async function accessTo(services: MeshServices): Promise<WantedAccess> {
  const web = (await services.readServices(signal)).find(({ id }) => id === 'web.shop');
  assert(web?.namespace);
  const { id, ports, labels, namespace } = web;
  return {
    policy: {
      service: { id, ports },
      rules: [
        {
          id: 'read',
          effect: 'allow',
          callers: [parseCaller(parseSpiffeId('spiffe://west.example/ns/front/sa/ui'))],
          http: { methods: ['GET'], paths: [parsePathMatch('/v1/*')] },
        },
        { id: 'never', effect: 'deny', callers: [parseCaller('north.example')] },
      ],
    },
    placement: { namespace, labels, peerNames: {} },
  };
}

export function servicesOf(services: MeshServices | undefined): MeshServices {
  assert(services, 'the adapter has services');
  return services;
}

export function assertWritten(reports: readonly ServiceReport[], count: number): void {
  assert.deepEqual(
    reports.map(({ state, message }) => (state === 'written' || state === 'accepted' ? 'there' : message)),
    Array.from({ length: count }, () => 'there'),
  );
}

/** Everything of the kinds that we write, with versions. */
async function stateOf(cluster: Cluster): Promise<string> {
  const all: SeenObject[] = [];
  for (const path of [
    `${NETWORKING}/serviceentries`,
    `${NETWORKING}/destinationrules`,
    `${SECURITY}/authorizationpolicies`,
  ])
    all.push(...(await itemsOf(cluster, path)));
  return JSON.stringify(all);
}

/** What a server counts up, and when and as what it made an object. */
function withoutVersions(state: string): string {
  const kept = (JSON.parse(state) as SeenObject[]).map(({ metadata, spec }) => [
    metadata.name,
    metadata.labels,
    metadata.annotations,
    spec,
  ]);
  return JSON.stringify(kept);
}
