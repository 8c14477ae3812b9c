/**
 * One folder for each mesh: its own roots out, foreign bundles in; and the loop that keeps wanted
 * and actual the same.
 */
export { withClusterTrustBundles } from './cluster-trust-bundle/with-cluster-trust-bundles.ts';
export { createConsulAdapter } from './consul/adapter.ts';
export { examineConsul } from './consul/examine.ts';
export { ConsulLeaves } from './consul/leaves.ts';
export { ComparisonLoop } from './contract/comparison-loop.ts';
export { MeshAdapterError } from './contract/errors.ts';
export { createFilesAdapter } from './files/adapter.ts';
export { createIstioAdapter } from './istio/adapter.ts';
export { createIstioFileAdapter } from './istio/file-adapter.ts';
export { examineIstio, examineIstioFile } from './istio/examine.ts';
export { meshesInCluster } from './kubernetes/meshes-in-cluster.ts';
export { createKumaAdapter } from './kuma/adapter.ts';
export { createLinkerdAdapter } from './linkerd/adapter.ts';
export {
  accessSubject,
  exportSubject,
  importSubject,
  type ReportSubject,
  serviceReport,
} from './contract/service-report.ts';
export { ForeignTrustPublisher } from './contract/publisher.ts';
export { withMissing } from './contract/second-look.ts';
export { createSpireAdapter } from './spire/adapter.ts';
export { createVaultAdapter } from './vault/adapter.ts';

export type { ClusterTrustBundleOptions } from './cluster-trust-bundle/with-cluster-trust-bundles.ts';
export type { Examination, Finding } from './contract/finding.ts';
export { openKubernetesAccess } from './kubernetes/kubernetes-access.ts';
export type { KubernetesSource } from './kubernetes/kubernetes-access.ts';
export type { KumaAdapterOptions } from './kuma/adapter.ts';
export type { LinkerdAdapterOptions } from './linkerd/adapter.ts';
export type {
  AdapterStatus,
  ForeignTrustReport,
  MeshAdapter,
  OwnTrust,
  PresentTrust,
} from './contract/mesh-adapter.ts';
export type { MeshServices, ServiceReport, WantedAccess, WantedExport } from './contract/mesh-services.ts';
export type { PropagationState } from './contract/propagation-state.ts';
export type { SpireAdapterOptions } from './spire/adapter.ts';
export type { PeerEndpoints } from './spire/peer-endpoint.ts';
export type { SpireAccess } from './spire/spire-access.ts';
export type { VaultAdapterOptions } from './vault/adapter.ts';
