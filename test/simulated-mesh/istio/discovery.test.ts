import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MeshDiscovery } from '../../../src/demonstration/sidecar/index.ts';
import type { SimulatedIstioOptions } from '../../../src/demonstration/simulated-mesh/index.ts';
import { systemRandom } from '../../../src/platform/index.ts';
import { parseSpiffeId } from '../../../src/spiffe/index.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';
import { until } from '../../../testkit/until.ts';
import { kubernetesClient } from '../support/kubernetes-client.ts';
import { startIstio } from '../support/meshes.ts';

const INFO = parseSpiffeId('spiffe://b.example/ns/default/dc/dc1/svc/info');
const NETWORKING = '/apis/networking.istio.io/v1/namespaces/shop';
const SECURITY = '/apis/security.istio.io/v1/namespaces/shop';

let folder: ReturnType<typeof tempDir>;
let started: Awaited<ReturnType<typeof startIstio>>;
let agent: ReturnType<typeof kubernetesClient>;
let sidecars: MeshDiscovery[];

const workload = (name: string, namespace: string): SimulatedIstioOptions['workloads'][number] => ({
  name,
  namespace,
  account: name,
  sdsSocket: `${folder.path}/sds/${name}.sock`,
  service: {
    address: '127.0.0.1',
    ports: [{ name: 'http', port: 15_006, targetPort: 8080, protocol: 'http' }],
  },
});

beforeEach(async () => {
  folder = tempDir();
  started = await startIstio(folder.path, {
    workloads: [workload('web', 'shop'), workload('other', 'elsewhere')],
  });
  agent = kubernetesClient(started.options.kubeconfigFile);
  sidecars = [];
});
afterEach(async () => {
  for (const sidecar of sidecars) await sidecar.stop();
  await started.mesh.stop();
  folder[Symbol.dispose]();
});

/** What the sidecar of a workload learns of its mesh. */
function sidecarOf(name: string): MeshDiscovery {
  const { clock, log } = started;
  const discovery = new MeshDiscovery({
    socket: `${folder.path}/sds/${name}.sock`,
    clock,
    random: systemRandom,
    log,
  });
  discovery.start();
  sidecars.push(discovery);
  return discovery;
}

const serviceEntry = (more: object = {}, exportTo = ['.']) => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'ServiceEntry',
  metadata: { name: 'info', namespace: 'shop' },
  spec: {
    hosts: ['info.b.federated'],
    ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
    location: 'MESH_EXTERNAL',
    resolution: 'STATIC',
    endpoints: [{ address: '127.0.0.1', ports: { http: 15_443 } }],
    subjectAltNames: [INFO],
    exportTo,
    ...more,
  },
});
const destinationRule = (tls: object = {}, exportTo = ['.']) => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name: 'info', namespace: 'shop' },
  spec: {
    host: 'info.b.federated',
    exportTo,
    trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL', sni: 'info.b.example', subjectAltNames: [INFO], ...tls } },
  },
});
const create = (object: { kind: string }) => {
  const [api, plural] =
    object.kind === 'AuthorizationPolicy'
      ? [SECURITY, 'authorizationpolicies']
      : [NETWORKING, object.kind === 'ServiceEntry' ? 'serviceentries' : 'destinationrules'];
  return agent.call('POST', `${api}/${plural}`, object);
};

describe('what a sidecar may call', () => {
  it('is what ServiceEntry and DestinationRule say together, until they go', async () => {
    const upstream = sidecarOf('web').upstream({ host: 'info.b.federated' });
    expect(upstream.current().absence?.code).toBe('mesh-silent');
    await until(() => upstream.current().absence?.code === 'service-unknown', 'the first answer');
    expect(await create(serviceEntry())).toMatchObject({ status: 201 });
    expect(await create(destinationRule())).toMatchObject({ status: 201 });
    await until(() => upstream.current().endpoints.length > 0, 'the endpoint');
    expect(upstream.current().endpoints).toEqual([
      { address: '127.0.0.1', port: 15_443, serverName: 'info.b.example', spiffeIds: [INFO], priority: 0 },
    ]);
    const { endpoints: _, ...drained } = serviceEntry().spec;
    await agent.call('PUT', `${NETWORKING}/serviceentries/info`, { ...serviceEntry(), spec: drained });
    await until(() => upstream.current().absence?.code === 'service-draining', 'draining');
    expect((await agent.call('DELETE', `${NETWORKING}/serviceentries/info`)).status).toBe(200);
    await until(() => upstream.current().endpoints.length === 0, 'the end');
    expect(upstream.current().absence).toMatchObject({
      code: 'service-unknown',
      message: expect.stringContaining('info.b.federated'),
    });
  });

  it('follows the order of failover that labels of endpoints and the rule give', async () => {
    const upstream = sidecarOf('web').upstream({ host: 'info.b.federated' });
    const rule = destinationRule();
    Object.assign(rule.spec.trafficPolicy, {
      loadBalancer: { localityLbSetting: { enabled: true, failoverPriority: ['federate.dev/before-1=yes'] } },
    });
    const ports = { http: 15_443 };
    await create(rule);
    await create(
      serviceEntry({
        endpoints: [
          { address: '127.0.0.2', ports },
          { address: '127.0.0.1', ports, labels: { 'federate.dev/before-1': 'yes' } },
        ],
      }),
    );
    await until(() => upstream.current().endpoints.length === 2, 'the endpoints');
    const priorities = upstream.current().endpoints.map(({ address, priority }) => [address, priority]);
    expect(Object.fromEntries(priorities)).toEqual({ '127.0.0.1': 0, '127.0.0.2': 1 });
  });

  it('is what its namespace sees, and no service without TLS or a name for the server', async () => {
    await create(serviceEntry());
    const inside = sidecarOf('web').upstream({ host: 'info.b.federated' });
    await until(() => inside.current().absence?.code === 'service-unknown', 'no TLS is asked for');
    await create(destinationRule({ subjectAltNames: [] }));
    const own = sidecarOf('web').upstream({ host: 'other.elsewhere.svc.cluster.local' });
    await until(() => own.current().endpoints.length > 0, 'a service of the mesh itself');
    expect(inside.current().endpoints).toEqual([]);
    const named = { ...destinationRule() };
    expect(await agent.call('PUT', `${NETWORKING}/destinationrules/info`, named)).toMatchObject({
      status: 200,
    });
    await until(() => inside.current().endpoints.length > 0, 'the endpoint');
    const outside = sidecarOf('other').upstream({ host: 'info.b.federated' });
    const own2 = sidecarOf('other').upstream({ host: 'web.shop.svc.cluster.local' });
    await until(() => own2.current().endpoints.length > 0, 'the answer for the other namespace');
    expect(outside.current().absence?.code).toBe('service-unknown');
  });
});

describe('whom a workload lets in', () => {
  const request = { caller: INFO, method: 'GET', path: '/v1', headers: {}, port: 8080 };
  const policy = (spec: object) => ({
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: 'web', namespace: 'shop' },
    spec: { selector: { matchLabels: { app: 'web' } }, ...spec },
  });

  it('is every caller without a policy, and then what the policies allow', async () => {
    const [web, other] = [sidecarOf('web'), sidecarOf('other')];
    const judge = (mesh: MeshDiscovery, change: object = {}) => mesh.judge({ ...request, ...change });
    expect(judge(web)).toEqual({ allowed: false, code: 'mesh-silent' });
    await until(() => judge(web).allowed && judge(other).allowed, 'the filters');
    expect(judge(web)).toEqual({ allowed: true });
    const rule = {
      from: [{ source: { principals: [INFO.slice('spiffe://'.length)] } }],
      to: [{ operation: { ports: ['8080'], methods: ['GET'], paths: ['/v1', '/v1/*'] } }],
      when: [{ key: 'request.headers[x-team]', values: ['blue'] }],
    };
    expect((await create(policy({ action: 'ALLOW', rules: [rule] }))).status).toBe(201);
    const headers = { 'x-team': 'blue' };
    await until(() => !judge(web).allowed, 'the policy');
    expect(judge(web, { headers })).toEqual({ allowed: true });
    expect(judge(web, { headers, path: '/v1/a' })).toEqual({ allowed: true });
    for (const change of [
      { path: '/v10' },
      { method: 'POST' },
      { port: 9090 },
      { headers: { 'x-team': 'red' } },
      { caller: `${INFO}2` },
      { caller: 'spiffe://c.example/ns/default/dc/dc1/svc/info' },
    ])
      expect(judge(web, { headers, ...change })).toMatchObject({ allowed: false, code: 'access-denied' });
    for (const path of ['/v1/../secret', '/v1//a', '/v1/%2e%2e/secret', '/v1/a;b'])
      expect(judge(web, { headers, path })).toEqual({ allowed: false, code: 'path-ambiguous' });
    // Its labels do not meet the selector.
    expect(judge(other)).toEqual({ allowed: true });
  });

  it('is nobody whom a DENY policy names, and nobody at all by an ALLOW policy without rules', async () => {
    const web = sidecarOf('web');
    const allowed = (caller: string) => web.judge({ ...request, caller }).allowed;
    await until(() => allowed(INFO), 'the filters');
    await create(
      policy({ action: 'DENY', rules: [{ from: [{ source: { principals: ['b.example/*'] } }] }] }),
    );
    await until(() => allowed(INFO) === false, 'the denial');
    expect(allowed('spiffe://istio.example/ns/a/sa/b')).toBe(true);
    await agent.call('PUT', `${SECURITY}/authorizationpolicies/web`, policy({}));
    await until(() => allowed('spiffe://istio.example/ns/a/sa/b') === false, 'the empty policy');
  });
});

describe('the webhook of istiod', () => {
  it.each([
    ['a host with an underscore', serviceEntry({ hosts: ['info_b.federated'] })],
    ['a port out of range', serviceEntry({ ports: [{ number: 0, name: 'http', protocol: 'HTTP' }] })],
    ['a protocol in lower case', serviceEntry({ ports: [{ number: 80, name: 'http', protocol: 'http' }] })],
    ['a host name with STATIC', serviceEntry({ endpoints: [{ address: 'gw.example' }] })],
    ['a SAN that is neither ID nor name', serviceEntry({ subjectAltNames: ['spiffe://b.example'] })],
    ['an unknown field', serviceEntry({ hots: [] })],
    ['an SNI with an underscore', destinationRule({ sni: 'outbound_.80_._.info' })],
    ['TLS without a client certificate', destinationRule({ mode: 'SIMPLE' })],
    [
      'a condition that is not simulated',
      {
        apiVersion: 'security.istio.io/v1',
        kind: 'AuthorizationPolicy',
        metadata: { name: 'x' },
        spec: { rules: [{ from: [{ source: { namespaces: ['a'] } }] }] },
      },
    ],
  ])('refuses %s', async (_what, object) => {
    const { status, body } = await create(object);
    expect(status).toBe(400);
    expect(body.message).toContain('configuration is invalid');
  });

  it('keeps what it takes as it was sent, and shows the workloads', async () => {
    const sent = serviceEntry();
    const { body } = await create(sent);
    expect(body).toMatchObject({ spec: sent.spec });
    for (const plural of ['pods', 'services', 'serviceaccounts']) {
      const { body: list } = await agent.call('GET', `/api/v1/${plural}`);
      expect(list.items.map(({ metadata }) => metadata.namespace)).toContain('shop');
    }
    expect((await agent.call('DELETE', '/api/v1/namespaces/shop/services/web')).status).toBe(403);
  });
});
