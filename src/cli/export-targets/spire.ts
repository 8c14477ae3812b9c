import type { ExportedTrust } from './exported-trust.ts';

/**
 * SPIRE's server: `federates_with` in its configuration with the first bundle, or the same by its
 * own command (docs/meshes/spire.md).
 */
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
  const proof =
    endpointId === undefined
      ? [
          "# The CAs of the SPIRE server's machine vouch for our endpoint. If they do not know its CA, start the SPIRE server",
          '# with SSL_CERT_FILE=<file with that CA>.',
        ]
      : [
          '# First our bundle, once, with a shell on the SPIRE server; nothing else can prove our endpoint:',
          `#   ${piped(document.trimEnd(), `spire-server bundle set -format spiffe -id spiffe://${trustDomain}`)}`,
        ];
  return [
    ...proof,
    '# Then, in the configuration of the SPIRE server, from its next start on; it may stay a block of its own:',
    'server {',
    '  federation {',
    `    federates_with ${JSON.stringify(trustDomain)} {`,
    `      bundle_endpoint_url = ${JSON.stringify(endpointUrl)}`,
    ...profile,
    '    }',
    '  }',
    '}',
    '',
    '# Or instead of all that, without a restart:',
    `#   ${piped(relationship(trust), 'spire-server federation create -data -')}`,
    '',
    `# Workloads receive it when their entry says so: spire-server entry update … -federatesWith ${trustDomain}`,
  ].join('\n');
}

/** What `spire-server federation create` reads. */
function relationship({ trustDomain, endpointUrl, endpointId, document }: ExportedTrust): string {
  const proved =
    endpointId === undefined
      ? ''
      : // The document as it is: a sequence number does not survive being read as a number.
        `,"endpointSPIFFEID":${JSON.stringify(endpointId)},"trustDomainBundleFormat":"spiffe","trustDomainBundle":${document.trimEnd()}`;
  const profile = endpointId === undefined ? 'https_web' : 'https_spiffe';
  return `{"federationRelationships":[{"trustDomain":${JSON.stringify(trustDomain)},"bundleEndpointURL":${JSON.stringify(endpointUrl)},"bundleEndpointProfile":"${profile}"${proved}}]}`;
}

/** A line of shell that gives a text to a command, in whichever shell. */
function piped(text: string, command: string): string {
  return `printf %s '${text.replaceAll("'", `'\\''`)}' | ${command}`;
}
