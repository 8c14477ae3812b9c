import { describe, expect, it } from 'vitest';
import { addWorkload, NETWORKING, openIstioServices, SECURITY } from './services-harness.ts';

const { signal } = new AbortController();

async function openCluster() {
  const mesh = await openIstioServices();
  return {
    ...mesh,
    /** The service as the adapter reads it. */
    read: async (id: string) => (await mesh.services.readServices(signal)).find((each) => each.id === id),
    strict: (path: string, spec: object) =>
      mesh.api.putObject(`${SECURITY}/${path}`, { kind: 'PeerAuthentication', spec }),
  };
}

describe('readServices() of Istio', () => {
  it('reads a Service with the accounts of its pods, and its cluster address as target', async () => {
    await using mesh = await openCluster();
    addWorkload(mesh.api, 'web', {
      account: 'web-account',
      ports: [
        { name: 'http-main', port: 80, targetPort: 8080 },
        { name: 'grpc', port: 90, targetPort: 'rpc' },
        { name: 'same', appProtocol: 'http', port: 81, targetPort: 8080 },
        { name: 'dns', port: 53, protocol: 'UDP' },
      ],
      containers: [{ name: 'app', ports: [{ name: 'rpc', containerPort: 9090 }] }, { name: 'istio-proxy' }],
    });
    mesh.api.putObject('/api/v1/namespaces/shop/pods/web-2', {
      kind: 'Pod',
      metadata: { labels: { app: 'web' } },
      spec: {
        containers: [{ name: 'app', ports: [{ name: 'rpc', containerPort: 9090 }] }],
        initContainers: [{ name: 'istio-proxy' }],
      },
      status: { phase: 'Running' },
    });
    mesh.api.putObject('/api/v1/namespaces/shop/pods/web-ended', {
      kind: 'Pod',
      metadata: { labels: { app: 'web' } },
      spec: { serviceAccountName: 'old', containers: [] },
      status: { phase: 'Succeeded' },
    });
    expect(await mesh.read('web.shop')).toEqual({
      id: 'web.shop',
      ports: [
        {
          name: 'http-main',
          port: 8080,
          protocol: 'http',
          serverFirst: false,
          target: { host: '10.0.0.10', port: 80 },
        },
        {
          name: 'grpc',
          port: 9090,
          protocol: 'grpc',
          serverFirst: false,
          target: { host: '10.0.0.10', port: 90 },
        },
      ],
      spiffeIds: [
        'spiffe://istio.example/ns/shop/sa/default',
        'spiffe://istio.example/ns/shop/sa/web-account',
      ],
      namespace: 'shop',
      labels: { app: 'web' },
      origin: 'mesh',
    });
  });

  it.each<[string, string, Parameters<typeof addWorkload>[2]]>([
    ['no-selector', 'without a selector', { service: { selector: undefined } }],
    ['no-selector', 'that is an ExternalName', { service: { type: 'ExternalName' } }],
    ['no-instances', 'without pods', { service: { selector: { app: 'nobody' } } }],
    ['not-in-mesh', 'with a pod without a sidecar', { containers: [{ name: 'app' }] }],
    [
      'ambient',
      'in ambient mode',
      { containers: [{ name: 'app' }], annotations: { 'ambient.istio.io/redirection': 'enabled' } },
    ],
    ['is-gateway', 'that is an ingress gateway', { labels: { istio: 'ingressgateway' } }],
    ['is-gateway', 'of the Gateway API', { labels: { 'gateway.networking.k8s.io/gateway-name': 'x' } }],
    [
      'is-gateway',
      'with a router as proxy',
      { containers: [{ name: 'istio-proxy', args: ['proxy', 'router'] }] },
    ],
    ['control-plane', 'that is istiod', { labels: { istio: 'pilot' } }],
    ['federate-itself', 'that is the agent', { labels: { 'app.kubernetes.io/name': 'federate' } }],
    ['port-protocol-unknown', 'with a port without a protocol', { ports: [{ name: 'main', port: 80 }] }],
    ['port-protocol-unknown', 'without a TCP port', { ports: [{ name: 'dns', port: 53, protocol: 'UDP' }] }],
    [
      'port-protocol-unknown',
      'with a port that no container has',
      { ports: [{ name: 'http', port: 80, targetPort: 'x' }] },
    ],
  ])('gives %s to a Service %s', async (code, _what, more) => {
    await using mesh = await openCluster();
    addWorkload(mesh.api, 'odd', more);
    expect((await mesh.read('odd.shop'))?.obstacle).toMatchObject({ code });
  });

  it.each(['istio-system', 'kube-system'])('gives system-service to a Service of %s', async (namespace) => {
    await using mesh = await openCluster();
    addWorkload(mesh.api, 'odd', { namespace });
    expect((await mesh.read(`odd.${namespace}`))?.obstacle?.code).toBe('system-service');
  });

  it.each<[string, boolean, (mesh: Awaited<ReturnType<typeof openCluster>>) => unknown]>([
    ['STRICT for the mesh', true, () => {}],
    [
      'nothing at all',
      false,
      ({ api }) => api.delete(`${SECURITY}/istio-system/peerauthentications/default`),
    ],
    [
      'PERMISSIVE for its namespace',
      false,
      ({ strict }) => strict('shop/peerauthentications/a', { mtls: { mode: 'PERMISSIVE' } }),
    ],
    [
      'UNSET for its namespace, so that the mesh counts',
      true,
      ({ strict }) => strict('shop/peerauthentications/a', { mtls: { mode: 'UNSET' } }),
    ],
    [
      'PERMISSIVE for another namespace',
      true,
      ({ strict }) => strict('else/peerauthentications/a', { mtls: { mode: 'PERMISSIVE' } }),
    ],
    [
      'DISABLE for its own labels',
      false,
      ({ strict }) =>
        strict('shop/peerauthentications/a', {
          selector: { matchLabels: { app: 'web' } },
          mtls: { mode: 'DISABLE' },
        }),
    ],
    [
      'DISABLE for other labels',
      true,
      ({ strict }) =>
        strict('shop/peerauthentications/a', {
          selector: { matchLabels: { app: 'x' } },
          mtls: { mode: 'DISABLE' },
        }),
    ],
    [
      'PERMISSIVE for its port',
      false,
      ({ strict }) =>
        strict('shop/peerauthentications/a', {
          selector: { matchLabels: { app: 'web' } },
          mtls: { mode: 'STRICT' },
          portLevelMtls: { 8080: { mode: 'PERMISSIVE' } },
        }),
    ],
    [
      'PERMISSIVE for another port',
      true,
      ({ strict }) =>
        strict('shop/peerauthentications/a', {
          selector: { matchLabels: { app: 'web' } },
          mtls: { mode: 'STRICT' },
          portLevelMtls: { 9999: { mode: 'PERMISSIVE' } },
        }),
    ],
    [
      'two policies for its namespace that differ',
      false,
      ({ strict }) => {
        strict('shop/peerauthentications/a', { mtls: { mode: 'STRICT' } });
        strict('shop/peerauthentications/b', { mtls: { mode: 'PERMISSIVE' } });
      },
    ],
  ])('with %s: exportable is %s', async (_what, isExportable, prepare) => {
    await using mesh = await openCluster();
    prepare(mesh);
    const obstacle = (await mesh.read('web.shop'))?.obstacle;
    expect(obstacle?.code).toBe(isExportable ? undefined : 'mtls-not-strict');
    const service = await mesh.read('web.shop');
    if (!service) throw new Error('web.shop is there');
    expect(await mesh.services.applyExports([{ service, consumers: [] }], signal)).toMatchObject([
      isExportable ? { state: 'accepted' } : { state: 'refused', code: 'mtls-not-strict' },
    ]);
  });

  it('reads workloads outside of pods from a ServiceEntry and its WorkloadEntry', async () => {
    await using mesh = await openCluster();
    mesh.api.putObject(`${NETWORKING}/shop/serviceentries/vm`, {
      kind: 'ServiceEntry',
      spec: {
        hosts: ['vm.shop.internal'],
        location: 'MESH_INTERNAL',
        ports: [{ number: 80, name: 'http', protocol: 'HTTP', targetPort: 8080 }],
        workloadSelector: { labels: { app: 'vm' } },
      },
    });
    expect((await mesh.read('vm.shop.internal'))?.obstacle?.code).toBe('no-instances');
    const path = `${NETWORKING}/shop/workloadentries/vm-1`;
    mesh.api.putObject(path, { kind: 'WorkloadEntry', spec: { address: '10.9.0.1', labels: { app: 'vm' } } });
    expect((await mesh.read('vm.shop.internal'))?.obstacle?.code).toBe('no-service-account');
    mesh.api.putObject(path, {
      kind: 'WorkloadEntry',
      spec: { address: '10.9.0.1', labels: { app: 'vm' }, serviceAccount: 'vm' },
    });
    expect(await mesh.read('vm.shop.internal')).toEqual({
      id: 'vm.shop.internal',
      ports: [
        {
          name: 'http',
          port: 8080,
          protocol: 'http',
          serverFirst: false,
          target: { host: '10.9.0.1', port: 8080 },
        },
      ],
      spiffeIds: ['spiffe://istio.example/ns/shop/sa/vm'],
      namespace: 'shop',
      labels: { app: 'vm' },
      origin: 'mesh',
    });
  });

  it.each([
    ['outside of the mesh', { hosts: ['api.example'], location: 'MESH_EXTERNAL' }],
    ['that decorates a Service', { hosts: ['web.shop.svc.cluster.local'], location: 'MESH_INTERNAL' }],
    ['with a wildcard', { hosts: ['*.example'], location: 'MESH_INTERNAL' }],
  ])('does not take a ServiceEntry %s for a service of its own', async (_what, spec) => {
    await using mesh = await openCluster();
    mesh.api.putObject(`${NETWORKING}/shop/serviceentries/e`, { kind: 'ServiceEntry', spec });
    const ids = (await mesh.services.readServices(signal)).map(({ id }) => id);
    expect(ids.toSorted()).toEqual(['plain.shop', 'web.shop']);
  });
});
