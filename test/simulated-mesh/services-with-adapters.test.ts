import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  createConsulAdapter,
  createIstioAdapter,
  type MeshAdapter,
  type MeshServices,
} from '../../src/mesh-adapters/index.ts';
import { MeshDiscovery } from '../../src/demonstration/sidecar/index.ts';
import { silentLog, systemClock, systemRandom } from '../../src/platform/index.ts';
import { parseCaller, parseServiceId } from '../../src/services/index.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/index.ts';
import { importedPort, importedService } from '../../testkit/imported-services.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa } from '../../testkit/test-ca.ts';
import { until } from '../../testkit/until.ts';
import { kubernetesClient } from './support/kubernetes-client.ts';
import { startConsul, startIstio } from './support/meshes.ts';

const parts = { clock: systemClock, random: systemRandom, log: silentLog };
const PEER = parseTrustDomain('peer.example');
const INFO = parseSpiffeId('spiffe://peer.example/ns/a/sa/info');

let folder: ReturnType<typeof tempDir>;
let adapter: MeshAdapter;
let sidecar: MeshDiscovery;
const { signal } = new AbortController();
let stopMesh: () => Promise<void>;

beforeEach(() => {
  folder = tempDir();
});
afterEach(async () => {
  await sidecar.stop();
  await adapter.stop();
  await stopMesh();
  folder[Symbol.dispose]();
});

function services(): MeshServices {
  const { services: found } = adapter;
  if (!found) throw new Error('the adapter has no services');
  return found;
}

function follow(socket: string): void {
  sidecar = new MeshDiscovery({ socket, ...parts });
  sidecar.start();
}

const imported = (more: object = {}) =>
  importedService({
    trustDomain: PEER,
    id: parseServiceId('info'),
    name: 'info.peer.federated',
    spiffeIds: [INFO],
    ports: [
      importedPort({
        sni: 'info.peer.example',
        endpoints: [{ host: '127.0.0.1', port: 15_443, priority: 0, path: 'gateway' }],
      }),
    ],
    ...more,
  });

const onlyInfo = {
  id: 'read',
  effect: 'allow' as const,
  callers: [parseCaller(INFO)],
  http: { methods: ['GET'] },
};
const request = { caller: INFO, method: 'GET', path: '/a', headers: {}, port: 8080 };

describe('a simulated Istio, by the Istio adapter', () => {
  it('has its services read, an import called, and a rule enforced; what was there stays as it was', async () => {
    const socket = `${folder.path}/web.sock`;
    const { mesh, options } = await startIstio(folder.path, {
      workloads: [
        {
          name: 'web',
          namespace: 'shop',
          account: 'web',
          sdsSocket: socket,
          service: {
            address: '127.0.0.1',
            ports: [{ name: 'http', port: 15_006, targetPort: 8080, protocol: 'http' }],
          },
        },
      ],
    });
    stopMesh = () => mesh.stop();
    adapter = createIstioAdapter({
      kubernetes: { kind: 'kubeconfig', path: options.kubeconfigFile },
      systemNamespace: 'istio-system',
      meshConfigMap: 'istio',
      rootConfigMap: { namespace: 'istio-system', name: 'istio-ca-root-cert' },
      ...parts,
    });
    const admin = kubernetesClient(options.adminKubeconfigFile ?? '');
    const held = async () => {
      const paths = [
        '/apis/networking.istio.io/v1/serviceentries',
        '/apis/networking.istio.io/v1/destinationrules',
        '/apis/security.istio.io/v1/authorizationpolicies',
        '/api/v1/services',
        '/api/v1/configmaps',
      ];
      const lists = await Promise.all(paths.map(async (path) => (await admin.call('GET', path)).body.items));
      return JSON.stringify(lists);
    };
    await admin.call('POST', '/apis/networking.istio.io/v1/namespaces/shop/serviceentries', {
      metadata: { name: 'theirs' },
      spec: {
        hosts: ['db.other.example'],
        ports: [{ number: 5432, name: 'sql', protocol: 'TCP' }],
        resolution: 'DNS',
        endpoints: [{ address: 'db.other.example' }],
      },
    });
    const before = await held();
    follow(socket);

    const [web] = await services().readServices(signal);
    expect(web).toMatchObject({
      id: 'web.shop',
      spiffeIds: ['spiffe://istio.example/ns/shop/sa/web'],
      ports: [{ port: 8080, protocol: 'http', target: { host: '127.0.0.1', port: 15_006 } }],
    });
    expect(web?.obstacle).toBeUndefined();

    const upstream = sidecar.upstream({ host: 'info.peer.federated' });
    expect(await services().applyImports([imported()], signal)).toMatchObject([{ state: 'written' }]);
    await until(() => upstream.current().endpoints.length > 0, 'the endpoint');
    expect(upstream.current().endpoints).toMatchObject([
      { address: '127.0.0.1', port: 15_443, serverName: 'info.peer.example', spiffeIds: [INFO] },
    ]);
    await services().applyImports([imported({ state: 'draining' })], signal);
    await until(() => upstream.current().absence?.code === 'service-draining', 'draining');
    await services().applyImports([], signal);
    await until(() => upstream.current().absence?.code === 'service-unknown', 'the end');

    if (!web) throw new Error('unreachable: it was read above');
    const placement = { namespace: 'shop', labels: web.labels, peerNames: {} };
    const wanted = { policy: { service: web, rules: [onlyInfo] }, placement };
    expect(await services().applyAccess([wanted], signal)).toMatchObject([{ subject: 'access' }]);
    await until(() => !sidecar.judge({ ...request, method: 'POST' }).allowed, 'the rule');
    expect(sidecar.judge(request)).toEqual({ allowed: true });
    await services().applyAccess([], signal);
    await until(() => sidecar.judge({ ...request, method: 'POST' }).allowed, 'no rule');
    expect(await held()).toBe(before);
  });
});

describe('a simulated Consul, by the Consul adapter', () => {
  it('has its services read and exported, and an import called until the peering ends', async () => {
    const socket = `${folder.path}/info.sock`;
    const { mesh, url } = await startConsul(folder.path, {
      aclTokenFile: folder.file('token'),
      workloads: [
        {
          name: 'info',
          service: 'info',
          sdsSocket: socket,
          proxy: { address: { host: '127.0.0.1', port: 15_006 }, localPort: 8080, protocol: 'http' },
        },
      ],
    });
    stopMesh = () => mesh.stop();
    adapter = createConsulAdapter({ address: url, tokenFile: folder.file('token'), ...parts });
    follow(socket);
    const [info] = await services().readServices(signal);
    expect(info).toMatchObject({
      id: 'info',
      spiffeIds: [`spiffe://${mesh.trustDomain}/ns/default/dc/dc1/svc/info`],
      ports: [{ port: 8080, protocol: 'http', target: { host: '127.0.0.1', port: 15_006 } }],
    });

    const peer = await createTestCa({ trustDomain: PEER });
    await adapter.applyForeignTrust([peer.bundle()], signal);
    const [{ Name: name } = { Name: '' }] = await (
      await fetch(`${url}/v1/peerings`, { headers: { 'x-consul-token': await token() } })
    ).json();
    const upstream = sidecar.upstream({ host: `info.virtual.${name}.consul` });
    await until(async () => {
      const [report] = await services().applyImports([imported()], signal);
      return report?.state === 'accepted';
    }, 'Consul takes the import');
    await until(() => upstream.current().endpoints.length > 0, 'the endpoint');
    expect(upstream.current().endpoints).toMatchObject([
      { address: '127.0.0.1', port: 15_443, serverName: 'info.peer.example', spiffeIds: [INFO] },
    ]);

    if (!info) throw new Error('unreachable: it was read above');
    const config = async () =>
      (
        await fetch(`${url}/v1/config/exported-services`, { headers: { 'x-consul-token': await token() } })
      ).json();
    expect(await config()).toEqual([]);
    expect(await services().applyExports([{ service: info, consumers: [PEER] }], signal)).toMatchObject([
      { subject: 'export', state: 'accepted' },
    ]);
    expect(await config()).toMatchObject([{ Services: [{ Name: 'info', Consumers: [{ Peer: name }] }] }]);
    await services().applyExports([], signal);
    expect(await config()).toEqual([]);

    await adapter.applyForeignTrust([], signal);
    await until(() => upstream.current().absence?.code === 'service-unknown', 'the end of the peering');
  });

  async function token(): Promise<string> {
    const { readFile } = await import('node:fs/promises');
    return (await readFile(folder.file('token'), 'utf8')).trim();
  }
});
