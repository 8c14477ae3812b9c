import { createLinkerdServices } from '../../../src/mesh-adapters/linkerd/services.ts';
import { linkerdObjects } from '../../../src/mesh-adapters/linkerd/read-own-trust.ts';
import { KubernetesClient } from '../../../src/mesh-adapters/kubernetes/kubernetes-client.ts';
import { systemClock, systemRandom } from '../../../src/platform/index.ts';
import { parseTrustDomain } from '../../../src/spiffe/index.ts';
import type { MeshServicesHarness, SeenImport } from '../../../testkit/contract/mesh-services-contract.ts';
import { fail, FakeApiServer, type FakeObject } from '../kubernetes/fake-api-server.ts';

const OWNER = 'federate.dev/services-of';
const OPEN: Readonly<Record<string, object>> = {
  ExternalWorkload: { meshTLS: { identity: 'spiffe://evil.example/a', serverName: 'evil.example' } },
  Server: { accessPolicy: 'all-unauthenticated' },
  MeshTLSAuthentication: { identities: ['*'] },
};

/** A cluster with Linkerd: `web` of namespace `shop` is in the mesh, and so is `api`. */
export async function openLinkerdServices(
  acceptDnsClients: boolean,
): Promise<MeshServicesHarness & { readonly api: FakeApiServer; ours(): readonly FakeObject[] }> {
  const api = new FakeApiServer();
  await api.start();
  api.putObject('/api/v1/namespaces/linkerd/configmaps/linkerd-config', {
    kind: 'ConfigMap',
    data: { values: 'identityTrustDomain: linkerd.example\n' },
  });
  for (const name of ['web', 'api']) addMeshed(api, name);
  const services = createLinkerdServices({
    client: new KubernetesClient({ source: api.source, clock: systemClock }),
    objects: linkerdObjects('linkerd'),
    acceptDnsClients,
    clock: systemClock,
    random: systemRandom,
  });
  const written = () =>
    ['/apis/', '/api/v1/namespaces/shop/services']
      .flatMap((under) => Object.entries(api.under(under)))
      .toSorted(([a], [b]) => (a < b ? -1 : 1));
  const mine = () => written().filter(([, { metadata }]) => metadata.labels?.[OWNER] !== undefined);
  let refused: string | undefined;
  api.answer = ({ verb, name }, response) => {
    if (refused === undefined || !(verb === 'put' || verb === 'post')) return false;
    const subject = verb === 'put' ? name : (api.lastBody?.metadata.name ?? '');
    if (!subject.includes(refused.replaceAll('.', '-'))) return false;
    fail(response, 422, 'no such luck');
    return true;
  };
  return {
    api,
    ours: () => mine().map(([, object]) => object),
    services,
    trustDomain: parseTrustDomain('linkerd.example'),
    exportable: 'web.shop',
    unexportable: 'api.shop',
    refusesExports: 'no-spiffe-id',
    caller: 'spiffe://west.example/ns/front/sa/ui',
    ...(acceptDnsClients ? {} : { refusesImports: 'client-without-spiffe-id' }),
    state: async () => JSON.stringify(written()),
    imports: async () => {
      const seen: Record<string, SeenImport> = {};
      const objects = mine().map(([, object]) => object);
      for (const { kind, metadata } of objects) {
        const name = metadata.annotations?.['federate.dev/name'];
        if (kind !== 'Service' || name === undefined) continue;
        for (const object of objects) {
          if (object.metadata.labels?.['federate.dev/import'] !== metadata.name) continue;
          const { meshTLS, ports } = object['spec'] as {
            meshTLS: { identity: string; serverName: string };
            ports?: { name: string }[];
          };
          const sni = Object.fromEntries((ports ?? []).map((port) => [port.name, meshTLS.serverName]));
          const spiffeIds = [...new Set([...(seen[name]?.spiffeIds ?? []), meshTLS.identity])];
          seen[name] = { spiffeIds, sni: { ...seen[name]?.sni, ...sni } };
        }
      }
      return seen;
    },
    addForeign: async () => {
      const managed = { 'app.kubernetes.io/managed-by': 'federate' };
      api.putObject('/apis/workload.linkerd.io/v1beta1/namespaces/shop/externalworkloads/theirs', {
        kind: 'ExternalWorkload',
        metadata: { labels: managed },
        spec: { meshTLS: { identity: 'theirs', serverName: 'theirs' } },
      });
      api.putObject('/apis/policy.linkerd.io/v1beta3/namespaces/shop/servers/theirs', {
        kind: 'Server',
        metadata: { labels: managed },
        spec: { port: 1 },
      });
    },
    edit: async () => {
      for (const [path, object] of mine()) {
        const spec = object['spec'] as object;
        api.putObject(path, { ...object, spec: { ...spec, ...OPEN[String(object['kind'])], edited: true } });
      }
      return mine().length;
    },
    refuse: (service) => {
      refused = service;
    },
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}

/** Adds a Service of namespace `shop` with one pod that Linkerd injected. */
export function addMeshed(api: FakeApiServer, name: string, meshed = true): void {
  api.putObject(`/api/v1/namespaces/shop/services/${name}`, {
    kind: 'Service',
    spec: { selector: { app: name }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
  });
  api.putObject(`/api/v1/namespaces/shop/pods/${name}-1`, {
    kind: 'Pod',
    metadata: { labels: { app: name, ...(meshed && { 'linkerd.io/control-plane-ns': 'linkerd' }) } },
  });
}
