import { isMapping } from '../../../objects/index.ts';
import type { TrustDomain } from '../../../spiffe/index.ts';
import type { ObjectStore } from './object-store.ts';
import { CONFIG_MAPS } from './resource-types.ts';

/** Name of the mesh ConfigMap of the default revision. */
export const MESH_CONFIG_MAP = 'istio';
const ROOT_CONFIG_MAP = 'istio-ca-root-cert';
const MESH_KEY = 'mesh';

/** Key `mesh` of the mesh ConfigMap, or undefined where it is missing. */
export function meshConfigText(store: ObjectStore, namespace: string): string | undefined {
  return textIn(store.get(CONFIG_MAPS, namespace, MESH_CONFIG_MAP)?.['data'], MESH_KEY);
}

/**
 * Makes the namespaces, and the mesh ConfigMap as an installation of Istio leaves it, where they
 * are missing.
 */
export function seedCluster(
  store: ObjectStore,
  options: {
    readonly systemNamespace: string;
    readonly namespaces: readonly string[];
    readonly trustDomain: TrustDomain;
    readonly trustDomainAliases: readonly TrustDomain[];
  },
): void {
  const { systemNamespace } = options;
  for (const name of ['default', 'kube-system', systemNamespace, ...options.namespaces])
    store.addNamespace(name);
  if (store.get(CONFIG_MAPS, systemNamespace, MESH_CONFIG_MAP)) return;
  store.create(CONFIG_MAPS, {
    metadata: {
      name: MESH_CONFIG_MAP,
      namespace: systemNamespace,
      labels: {
        app: 'istiod',
        'app.kubernetes.io/managed-by': 'Helm',
        'istio.io/rev': 'default',
        'install.operator.istio.io/owning-resource': 'unknown',
        'operator.istio.io/component': 'Pilot',
        release: 'istiod',
      },
      annotations: {
        'meta.helm.sh/release-name': 'istiod',
        'meta.helm.sh/release-namespace': systemNamespace,
      },
    },
    content: { data: { [MESH_KEY]: meshConfigYaml(options), meshNetworks: 'networks: {}' } },
  });
}

/**
 * Writes the own roots into `istio-ca-root-cert` of every namespace, as istiod does for its
 * proxies.
 */
export function publishOwnRoots(store: ObjectStore, rootCertPem: string): void {
  for (const namespace of store.namespaces()) {
    const input = {
      metadata: { name: ROOT_CONFIG_MAP, namespace, labels: { 'istio.io/config': 'true' } },
      content: { data: { 'root-cert.pem': rootCertPem } },
    };
    if (store.get(CONFIG_MAPS, namespace, ROOT_CONFIG_MAP)) store.update(CONFIG_MAPS, input);
    else store.create(CONFIG_MAPS, input);
  }
}

function meshConfigYaml(options: {
  readonly systemNamespace: string;
  readonly trustDomain: TrustDomain;
  readonly trustDomainAliases: readonly TrustDomain[];
}): string {
  const aliases = options.trustDomainAliases.map((alias) => `\n- ${alias}`).join('');
  return `# Mesh-wide settings. Changes reach the proxies within seconds.
accessLogFile: /dev/stdout
defaultConfig:
  discoveryAddress: istiod.${options.systemNamespace}.svc:15012
  proxyMetadata:
    # Needed for roots of other trust domains (caCertificates).
    PROXY_CONFIG_XDS_AGENT: "true"
  tracing: {}
defaultProviders:
  metrics:
  - prometheus
enablePrometheusMerge: true
rootNamespace: ${options.systemNamespace}
# Part of every workload's identity: spiffe://<trustDomain>/ns/<namespace>/sa/<account>
trustDomain: ${options.trustDomain}${aliases === '' ? '' : `\ntrustDomainAliases:${aliases}`}
`;
}

function textIn(data: unknown, key: string): string | undefined {
  const value = isMapping(data) ? data[key] : undefined;
  return typeof value === 'string' ? value : undefined;
}
