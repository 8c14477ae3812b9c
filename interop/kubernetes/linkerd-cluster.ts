import type { TestCa } from '../../testkit/test-ca.ts';
import { type Beside, PEER, startBeside } from './beside.ts';
import type { Cluster } from './cluster.ts';
import { configMapsIn, pemOf } from './objects.ts';

export const LINKERD_TRUST_DOMAIN = 'linkerd.example';
/** The namespace of trust-manager, where its sources are. */
export const TRUST_NAMESPACE = 'cert-manager';
export const ANCHORS = 'linkerd-identity-trust-roots';
export const ANCHORS_KEY = 'ca-bundle.crt';
export const BUNDLE_GROUP = 'trust.cert-manager.io';
export const BUNDLES = `/apis/${BUNDLE_GROUP}/v1alpha1/bundles`;

/** Namespaces and configuration as an installation of Linkerd with an external CA leaves them, and the rights that docs/meshes/linkerd.md names. */
export async function prepareLinkerd(cluster: Cluster): Promise<void> {
  await cluster.createNamespaces('linkerd', TRUST_NAMESPACE);
  const values = `identity: { externalCA: true }\nidentityTrustDomain: ${LINKERD_TRUST_DOMAIN}\n`;
  await cluster.call('POST', configMapsIn('linkerd'), {
    metadata: { name: 'linkerd-config' },
    data: { values },
  });
  const configMaps = { apiGroups: [''], resources: ['configmaps'] };
  await cluster.allow('federate', [{ ...configMaps, verbs: ['get', 'list', 'watch'] }], 'linkerd');
  const verbs = ['get', 'list', 'create', 'update', 'delete'];
  await cluster.allow('federate', [{ ...configMaps, verbs }], TRUST_NAMESPACE);
  await cluster.allow('federate', [
    { apiGroups: [BUNDLE_GROUP], resources: ['bundles'], verbs: ['get'] },
    { apiGroups: [''], resources: ['pods'], verbs: ['list'] },
  ]);
}

/** Makes the cluster serve Bundles without a schema. */
export function serveAnyBundle(cluster: Cluster): Promise<void> {
  return cluster.serve({
    group: BUNDLE_GROUP,
    version: 'v1alpha1',
    kind: 'Bundle',
    plural: 'bundles',
    scope: 'Cluster',
    subresources: { status: {} },
  });
}

/** The Bundle whose target are Linkerd's anchors: the own ones, somebody else's ConfigMap, and ours by their label. */
export function anchorsBundle(own: TestCa) {
  const selector = { matchLabels: { 'federate.dev/foreign-trust': 'true' } };
  return {
    apiVersion: `${BUNDLE_GROUP}/v1alpha1`,
    kind: 'Bundle',
    metadata: { name: ANCHORS },
    spec: {
      sources: [{ inLine: pemOf(own) }, { configMap: { selector, key: ANCHORS_KEY } }] as object[],
      target: {
        configMap: { key: ANCHORS_KEY },
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'linkerd' } },
      },
    },
  };
}

/** A pod of the mesh that was injected while these were the anchors. Nobody runs it. */
export async function createPod(cluster: Cluster, name: string, anchorsHash: string): Promise<void> {
  await cluster.call('POST', '/api/v1/namespaces/linkerd/pods', {
    metadata: {
      name,
      labels: { 'linkerd.io/control-plane-ns': 'linkerd' },
      annotations: { 'linkerd.io/trust-root-sha256': anchorsHash },
    },
    spec: { containers: [{ name: 'web', image: 'web' }] },
  });
}

/** An agent beside that mesh, which knows the peer as another Linkerd mesh. */
export function startBesideLinkerd(cluster: Cluster): Promise<Beside> {
  const mesh = { kind: 'linkerd', kubeconfig: cluster.writeKubeconfig(), linkerd_peers: [PEER] };
  return startBeside(LINKERD_TRUST_DOMAIN, { mesh });
}
