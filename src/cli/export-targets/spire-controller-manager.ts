import { type ExportedTrust, indented } from './exported-trust.ts';

/** The Kubernetes resource of SPIRE's controller manager (mesh-surfaces §6). */
export function exportForSpireControllerManager(trust: ExportedTrust): string {
  const { trustDomain, endpointUrl, endpointId, document } = trust;
  return [
    '# kubectl apply -f -',
    '# Add spec.className where the controller manager was installed with one.',
    'apiVersion: spire.spiffe.io/v1alpha1',
    'kind: ClusterFederatedTrustDomain',
    'metadata:',
    `  name: ${JSON.stringify(trustDomain)}`,
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
