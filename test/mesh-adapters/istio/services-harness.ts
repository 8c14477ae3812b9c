import { createIstioServices } from '../../../src/mesh-adapters/istio/services.ts';
import { KubernetesClient } from '../../../src/mesh-adapters/kubernetes/kubernetes-client.ts';
import { systemClock, systemRandom } from '../../../src/platform/index.ts';
import { parseTrustDomain } from '../../../src/spiffe/index.ts';
import type { MeshServicesHarness } from '../../../testkit/contract/mesh-services-contract.ts';
import { fail, FakeApiServer, type FakeObject } from '../kubernetes/fake-api-server.ts';

export const NETWORKING = '/apis/networking.istio.io/v1/namespaces';
export const SECURITY = '/apis/security.istio.io/v1/namespaces';
const KINDS = ['serviceentries', 'destinationrules', 'authorizationpolicies'];

/** A cluster with Istio: `web` of namespace `shop` in STRICT mTLS, and `plain` without a sidecar. */
export async function openIstioServices(): Promise<
  MeshServicesHarness & { readonly api: FakeApiServer; ours(): readonly FakeObject[] }
> {
  const api = new FakeApiServer();
  await api.start();
  api.put('istio', { mesh: 'trustDomain: istio.example\n' });
  api.putObject(`${SECURITY}/istio-system/peerauthentications/default`, {
    kind: 'PeerAuthentication',
    spec: { mtls: { mode: 'STRICT' } },
  });
  addWorkload(api, 'web', { account: 'web-account' });
  addWorkload(api, 'plain', { containers: [{ name: 'app' }] });
  const services = createIstioServices({
    client: new KubernetesClient({ source: api.source, clock: systemClock }),
    meshConfigMap: { namespace: 'istio-system', name: 'istio' },
    namespace: 'istio-system',
    clock: systemClock,
    random: systemRandom,
  });
  const written = () =>
    Object.entries(api.under('/apis/')).filter(([path]) => KINDS.some((kind) => path.includes(`/${kind}/`)));
  const ours = () =>
    written()
      .map(([, object]) => object)
      .filter(({ metadata }) => metadata.labels?.['federate.dev/services-of'] !== undefined);
  let refused: string | undefined;
  api.answer = ({ verb, name }, response) => {
    if (refused === undefined || !(verb === 'put' || verb === 'post')) return false;
    const isOf = (object: string) => object.includes(`-${refused?.replaceAll('.', '-')}-`);
    const isSubject = verb === 'put' ? isOf(name) : isOf(api.lastBody?.metadata.name ?? '');
    if (!isSubject) return false;
    fail(response, 422, 'no such luck');
    return true;
  };
  return {
    api,
    ours,
    services,
    trustDomain: parseTrustDomain('istio.example'),
    exportable: 'web.shop',
    unexportable: 'plain.shop',
    caller: 'spiffe://west.example/ns/front/sa/ui',
    state: async () => JSON.stringify(written().toSorted(([a], [b]) => (a < b ? -1 : 1))),
    imports: async () =>
      Object.fromEntries(
        ours()
          .filter(({ kind }) => kind === 'ServiceEntry')
          .map(({ spec, metadata }) => {
            const entry = spec as { hosts: string[]; subjectAltNames: string[] };
            const rule = api.object(`${NETWORKING}/istio-system/destinationrules/${metadata.name}`);
            if (!rule) throw new Error(`${metadata.name} has no DestinationRule`);
            const { trafficPolicy, exportTo } = rule['spec'] as {
              exportTo: string[];
              trafficPolicy: { tls: { sni: string; mode: string; subjectAltNames: string[] } };
            };
            const { sni, mode, subjectAltNames } = trafficPolicy.tls;
            const isWhole =
              mode === 'ISTIO_MUTUAL' &&
              exportTo.join() === 'shop' &&
              subjectAltNames.join() === entry.subjectAltNames.join();
            return [entry.hosts[0], { spiffeIds: isWhole ? subjectAltNames : [], sni: { http: sni } }];
          }),
      ),
    addForeign: async () => {
      const managed = { 'app.kubernetes.io/managed-by': 'federate' };
      api.putObject(`${NETWORKING}/istio-system/serviceentries/theirs`, {
        kind: 'ServiceEntry',
        metadata: { labels: managed },
        spec: { hosts: ['theirs.example'] },
      });
      api.putObject(`${NETWORKING}/istio-system/destinationrules/theirs`, {
        kind: 'DestinationRule',
        metadata: { labels: managed },
        spec: { host: 'theirs.example' },
      });
      // As "federate access compile" wrote it, applied by hand.
      api.putObject(`${SECURITY}/shop/authorizationpolicies/federate-other-allow`, {
        kind: 'AuthorizationPolicy',
        metadata: { labels: managed },
        spec: { action: 'ALLOW' },
      });
    },
    edit: async () => {
      for (const object of ours()) {
        const { name, namespace } = object.metadata;
        const [path] = written().find(([, each]) => each === object) ?? [`${namespace as string}/${name}`];
        const spec = object['spec'] as Record<string, unknown>;
        const edited =
          'trafficPolicy' in spec ? { ...spec, trafficPolicy: { tls: { mode: 'DISABLE' } } } : {};
        api.putObject(path, {
          ...object,
          spec: 'trafficPolicy' in spec ? edited : { ...spec, subjectAltNames: ['spiffe://evil.example/a'] },
        });
      }
      return ours().length;
    },
    refuse: (service) => {
      refused = service;
    },
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}

/** Adds a Service of namespace `shop` with one pod. */
export function addWorkload(
  api: FakeApiServer,
  name: string,
  more: {
    readonly account?: string;
    readonly containers?: readonly object[];
    readonly labels?: Record<string, string>;
    readonly annotations?: Record<string, string>;
    readonly namespace?: string;
    readonly service?: Record<string, unknown>;
    readonly ports?: readonly object[];
  } = {},
): void {
  const { account, containers = [{ name: 'app' }, { name: 'istio-proxy' }], namespace = 'shop' } = more;
  const { labels = {}, annotations = {}, service = {}, ports } = more;
  api.putObject(`/api/v1/namespaces/${namespace}/services/${name}`, {
    kind: 'Service',
    spec: {
      selector: { app: name },
      clusterIP: '10.0.0.10',
      ports: ports ?? [{ name: 'http', port: 80, targetPort: 8080 }],
      ...service,
    },
  });
  api.putObject(`/api/v1/namespaces/${namespace}/pods/${name}-1`, {
    kind: 'Pod',
    metadata: { labels: { app: name, ...labels }, annotations },
    spec: { ...(account !== undefined && { serviceAccountName: account }), containers },
    status: { phase: 'Running' },
  });
}
