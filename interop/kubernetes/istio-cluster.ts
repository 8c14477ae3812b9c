import type { TestCa } from '../../testkit/test-ca.ts';
import { type Beside, startBeside } from './beside.ts';
import type { Cluster } from './cluster.ts';
import { configMapsIn, pemOf, type SeenObject } from './objects.ts';

export const ISTIO_NAMESPACE = 'istio-system';
export const ISTIO_TRUST_DOMAIN = 'istio.example';
const CONFIG_MAPS = configMapsIn(ISTIO_NAMESPACE);

/** What somebody wrote into the mesh config before we came. */
export const MESH = `# somebody's comment
accessLogFile: /dev/stdout
defaultConfig:
  proxyMetadata:
    PROXY_CONFIG_XDS_AGENT: "true"
trustDomain: ${ISTIO_TRUST_DOMAIN}
`;

/** Namespace and ConfigMaps as an installation of Istio with two revisions leaves them, and the rights that docs/meshes/istio.md names. */
export async function prepareIstio(cluster: Cluster, own: TestCa): Promise<void> {
  await cluster.createNamespaces(ISTIO_NAMESPACE);
  const create = (name: string, labels: object, data: object) =>
    cluster.call('POST', CONFIG_MAPS, { metadata: { name, labels }, data });
  await create('istio-ca-root-cert', { 'istio.io/config': 'true' }, { 'root-cert.pem': pemOf(own) });
  await create('istio', {}, { mesh: MESH, meshNetworks: 'networks: {}' });
  await create('istio-canary', { 'istio.io/rev': 'canary' }, { mesh: MESH });
  await allowIstio(cluster);
}

/** The rights that docs/meshes/istio.md names, for the user `federate` or another subject. */
export async function allowIstio(cluster: Cluster, subject?: object): Promise<void> {
  const configMaps = { apiGroups: [''], resources: ['configmaps'] };
  await cluster.allow(
    subject === undefined ? 'federate' : 'federate-other',
    [
      { ...configMaps, verbs: ['get', 'list', 'watch'] },
      { ...configMaps, resourceNames: ['istio', 'istio-canary'], verbs: ['update'] },
    ],
    ISTIO_NAMESPACE,
    subject,
  );
}

/** An agent beside that mesh. */
export function startBesideIstio(cluster: Cluster): Promise<Beside> {
  return startBeside(ISTIO_TRUST_DOMAIN, { mesh: { kind: 'istio', kubeconfig: cluster.writeKubeconfig() } });
}

/** The mesh ConfigMap of a revision. */
export function meshConfigMap(cluster: Cluster, name = 'istio'): Promise<SeenObject> {
  return cluster.call<SeenObject>('GET', `${CONFIG_MAPS}/${name}`);
}

/** The text of its key `mesh`. */
export async function meshText(cluster: Cluster, name = 'istio'): Promise<string> {
  return (await meshConfigMap(cluster, name)).data?.['mesh'] ?? '';
}

/** Writes another text into it, as somebody else would. */
export async function writeMeshText(cluster: Cluster, mesh: string, name = 'istio'): Promise<void> {
  const { data, ...rest } = await meshConfigMap(cluster, name);
  await cluster.call('PUT', `${CONFIG_MAPS}/${name}`, { ...rest, data: { ...data, mesh } });
}

/** Gives the mesh these roots in place of those it has. */
export async function replaceOwnRoots(cluster: Cluster, ...cas: readonly TestCa[]): Promise<void> {
  const path = `${CONFIG_MAPS}/istio-ca-root-cert`;
  const held = await cluster.call<SeenObject>('GET', path);
  await cluster.call('PUT', path, { ...held, data: { 'root-cert.pem': pemOf(...cas) } });
}
