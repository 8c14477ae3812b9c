import assert from 'node:assert/strict';
import type { InteropCheck } from '../support/program.ts';
import { until } from '../support/until.ts';
import { Cluster } from './cluster.ts';
import { apiServerBeside } from './executables.ts';
import { accessTo, assertWritten, IMPORTS, servicesOf } from './istio-services-checks.ts';
import { istioAdapter, prepareIstioServices } from './istio-services-cluster.ts';
import { type Istiod, startIstiod } from './istiod-process.ts';

/** What istiod gives a sidecar for the objects of services that our adapter writes. */
export const istiodServicesChecks: readonly InteropCheck[] = [
  {
    name: 'services: a sidecar gets our SNI and SPIFFE IDs for every import, the failover order and the policies, and loses them',
    run: servicesComeAndGo,
  },
];

const { signal } = new AbortController();

async function servicesComeAndGo(executable: string): Promise<void> {
  await using cluster = await Cluster.start(apiServerBeside() ?? '');
  await prepareIstioServices(cluster);
  await using istiod = await startIstiod(executable, cluster);
  const adapter = istioAdapter(cluster);
  const services = servicesOf(adapter.services);
  assertWritten(await services.applyImports(IMPORTS, signal), IMPORTS.length);
  assertWritten(await services.applyAccess([await accessTo(services)], signal), 1);

  const expected = IMPORTS.flatMap(({ name, ports, spiffeIds }) =>
    ports.map(({ port, sni }) => [`outbound|${port}||${name}`, sni, spiffeIds.join()]),
  );
  await until('every import at the sidecar', async () => {
    const seen = importsIn(await readDump(istiod));
    return expected.every(([cluster = '', ...parts]) => seen.get(cluster)?.join() === parts.join());
  });
  const dump = await readDump(istiod);
  assert.equal(importsIn(dump).size, expected.length);
  assert.deepEqual(failoverIn(dump), [
    [0, '203.0.113.7'],
    [1, '203.0.113.8'],
    [2, '203.0.113.9'],
  ]);
  const tcp = listenersIn(dump).find(({ port }) => port === 8003);
  assert(tcp?.address.match(/^24[1-9]\.|^25[0-4]\./), `TCP has an address of its own, not ${tcp?.address}`);
  const text = JSON.stringify(dump);
  assert(text.includes('{"principalName":{"exact":"spiffe://west.example/ns/front/sa/ui"}}'));
  assert(text.includes('policy[federate-web-shop-deny]'));

  await services.applyImports([], signal);
  await services.applyAccess([], signal);
  await until('nothing of ours at the sidecar', async () => {
    const left = await readDump(istiod);
    return importsIn(left).size === 0 && !JSON.stringify(left).includes('federate-web-shop');
  });
  await adapter.stop();
}

/** Part of `envoy.admin.v3.ConfigDump`. */
interface Dump {
  readonly configs: readonly {
    readonly dynamicActiveClusters?: readonly { readonly cluster: DumpedCluster }[];
    readonly dynamicEndpointConfigs?: readonly {
      readonly endpointConfig: {
        readonly endpoints?: readonly {
          readonly priority?: number;
          readonly lbEndpoints: readonly { readonly endpoint: { readonly address: DumpedAddress } }[];
        }[];
      };
    }[];
    readonly dynamicListeners?: readonly {
      readonly activeState: { readonly listener: { readonly address: DumpedAddress } };
    }[];
  }[];
}
interface DumpedAddress {
  readonly socketAddress: { readonly address: string; readonly portValue: number };
}
interface DumpedCluster {
  readonly name: string;
  readonly transportSocket?: {
    readonly typedConfig: {
      readonly sni?: string;
      readonly commonTlsContext: {
        readonly combinedValidationContext: {
          readonly defaultValidationContext: {
            readonly matchSubjectAltNames?: readonly { readonly exact?: string }[];
          };
        };
      };
    };
  };
}

async function readDump(istiod: Istiod): Promise<Dump> {
  return JSON.parse(await istiod.proxyConfig()) as Dump;
}

/** SNI and exact names of each cluster of an import, by the name of the cluster. */
function importsIn({ configs }: Dump): ReadonlyMap<string, readonly string[]> {
  const clusters = configs.flatMap(({ dynamicActiveClusters = [] }) =>
    dynamicActiveClusters.map((each) => each.cluster),
  );
  return new Map(
    clusters
      .filter(({ name }) => name.endsWith('.federated'))
      .map(({ name, transportSocket }) => {
        const tls = transportSocket?.typedConfig;
        const { matchSubjectAltNames = [] } =
          tls?.commonTlsContext.combinedValidationContext.defaultValidationContext ?? {};
        return [name, [tls?.sni ?? '', ...matchSubjectAltNames.map(({ exact }) => exact ?? 'not exact')]];
      }),
  );
}

/** The priorities of the endpoints that the proxy has subscribed. */
function failoverIn({ configs }: Dump) {
  return configs
    .flatMap(({ dynamicEndpointConfigs = [] }) => dynamicEndpointConfigs)
    .flatMap(({ endpointConfig }) => endpointConfig.endpoints ?? [])
    .flatMap(({ priority = 0, lbEndpoints }) =>
      lbEndpoints.map(({ endpoint }) => [priority, endpoint.address.socketAddress.address]),
    );
}

function listenersIn({ configs }: Dump) {
  return configs
    .flatMap(({ dynamicListeners = [] }) => dynamicListeners)
    .map(({ activeState }) => activeState.listener.address.socketAddress)
    .map(({ address, portValue }) => ({ address, port: portValue }));
}
