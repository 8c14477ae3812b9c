import { createHash } from 'node:crypto';
import { type ExportedTrust, indented } from './exported-trust.ts';

/** The Kubernetes resource of SPIRE's controller manager (docs/meshes/spire.md). */
export function exportForSpireControllerManager(trust: ExportedTrust): string {
  const { trustDomain, endpointUrl, endpointId, document } = trust;
  return [
    '# kubectl apply -f -',
    '# Add spec.className where the controller manager was installed with one.',
    'apiVersion: spire.spiffe.io/v1alpha1',
    'kind: ClusterFederatedTrustDomain',
    'metadata:',
    `  name: ${JSON.stringify(objectName(trustDomain))}`,
    'spec:',
    `  trustDomain: ${JSON.stringify(trustDomain)}`,
    `  bundleEndpointURL: ${JSON.stringify(endpointUrl)}`,
    '  bundleEndpointProfile:',
    ...(endpointId === undefined
      ? ['    type: https_web']
      : ['    type: https_spiffe', `    endpointSPIFFEID: ${JSON.stringify(endpointId)}`]),
    '  trustDomainBundle: |',
    indented(document, '    '),
    `# Workloads receive it when their ClusterSPIFFEID has federatesWith: [${JSON.stringify(trustDomain)}]`,
  ].join('\n');
}

const OBJECT_NAME = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/**
 * A trust domain may have a name that Kubernetes does not take for an object, as with an
 * underscore.
 */
function objectName(trustDomain: string): string {
  if (OBJECT_NAME.test(trustDomain)) return trustDomain;
  return `trust-domain-${createHash('sha256').update(trustDomain).digest('hex').slice(0, 16)}`;
}
