/** Whether a ConfigMap of this name is the mesh config of a control plane: `istio`, or `istio-<revision>` (mesh-surfaces §2). */
export function isMeshConfigMapName(name: string): boolean {
  return name === 'istio' || (/^istio-[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name) && !OTHERS.test(name));
}

/** ConfigMaps of an installation whose names only look like it. */
const OTHERS =
  /^istio-(ca-|sidecar-injector|cni|leader|gateway|namespace-controller|validation|revision-tag)/;
