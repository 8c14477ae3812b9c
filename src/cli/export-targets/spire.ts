import type { ExportedTrust } from './exported-trust.ts';

/** SPIRE's server: `federates_with` in its configuration, and the first bundle for its command (mesh-surfaces §6). */
export function exportForSpire(trust: ExportedTrust): string {
  const { trustDomain, endpointUrl, endpointId, document } = trust;
  const profile =
    endpointId === undefined
      ? ['      bundle_endpoint_profile "https_web" {}']
      : [
          '      bundle_endpoint_profile "https_spiffe" {',
          `        endpoint_spiffe_id = ${JSON.stringify(endpointId)}`,
          '      }',
        ];
  return [
    '# In the configuration of the SPIRE server:',
    'server {',
    '  federation {',
    `    federates_with ${JSON.stringify(trustDomain)} {`,
    `      bundle_endpoint_url = ${JSON.stringify(endpointUrl)}`,
    ...profile,
    '    }',
    '  }',
    '}',
    '',
    '# The first bundle, once, with a shell on the SPIRE server (with https_spiffe nothing else can prove it):',
    `# spire-server bundle set -format spiffe -id spiffe://${trustDomain} <<'BUNDLE'`,
    `# ${document.trimEnd()}`,
    '# BUNDLE',
    '',
    `# Workloads receive it when their entry says so: spire-server entry update … -federatesWith ${trustDomain}`,
  ].join('\n');
}
