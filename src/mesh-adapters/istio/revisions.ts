import { MESH_KEY } from './read-own-trust.ts';

/** A ConfigMap, as far as it is looked at here. */
interface ConfigMapView {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly data: Readonly<Record<string, string>>;
}

/**
 * Whether a ConfigMap is the mesh config of a control plane: `istio`, or `istio-<revision>` with
 * the label of that revision. An installation sets that label; a ConfigMap for SHARED_MESH_CONFIG
 * does not need it. See docs/meshes/istio.md.
 */
export function isRevisionConfigMap({ name, labels, data }: ConfigMapView): boolean {
  if (!(MESH_KEY in data)) return false;
  const revision = labels['istio.io/rev'] ?? '';
  return name === 'istio' || (revision !== '' && name === `istio-${revision}`);
}

/**
 * The injector's ConfigMaps with templates that give sidecars the socket of SPIRE: such workloads
 * do not read caCertificates.
 */
export function spireTemplatesIn(configMaps: readonly Pick<ConfigMapView, 'name' | 'data'>[]): string[] {
  return configMaps
    .filter(({ name }) => /^istio-sidecar-injector(-|$)/.test(name))
    .filter(({ data }) => Object.values(data).some((text) => text.includes('csi.spiffe.io')))
    .map(({ name }) => name);
}
