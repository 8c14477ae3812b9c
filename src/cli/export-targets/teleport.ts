import { type ExportedTrust, indented } from './exported-trust.ts';

/**
 * Teleport's `spiffe_federation` resource. Teleport fetches over `https_web` only. From an
 * `https_spiffe` endpoint it gets the present bundle as a static one. Apply that one again after
 * every rotation.
 */
export function exportForTeleport(trust: ExportedTrust): string {
  const { trustDomain, endpointUrl, profile, document } = trust;
  const source =
    profile === 'https_web'
      ? ['    https_web:', `      bundle_endpoint_url: ${JSON.stringify(endpointUrl)}`]
      : ['    static:', '      bundle: |', indented(document, '        ')];
  return [
    '# tctl create -f',
    ...(profile === 'https_web'
      ? []
      : [
          '# Teleport fetches over https_web only, and this endpoint is https_spiffe: the bundle below is',
          '# that of now, and has to be applied again before our roots rotate.',
        ]),
    'kind: spiffe_federation',
    'version: v1',
    'metadata:',
    `  name: ${JSON.stringify(trustDomain)}`,
    'spec:',
    '  bundle_source:',
    ...source,
  ].join('\n');
}
