import { type ExportedTrust, indented } from './exported-trust.ts';

/**
 * Istio's mesh config (docs/meshes/istio.md), for a mesh without an agent of its own. Its pool of
 * roots is one for all trust domains, so what is printed are narrowed anchors: same key and name,
 * constrained to our trust domain (docs/narrowing.md).
 */
export async function exportForIstio(trust: ExportedTrust): Promise<string> {
  const { createNarrowedAnchor, parseTrustDomain, pemFromCertificates } = await import(
    '../../spiffe/index.ts'
  );
  const name = parseTrustDomain(trust.trustDomain);
  const entries: string[] = [];
  for (const root of trust.roots) {
    const anchor = await createNarrowedAnchor(root, name);
    entries.push(
      '- pem: |',
      indented(pemFromCertificates([anchor]), '    '),
      `  trustDomains: [${JSON.stringify(name)}]`,
    );
  }
  return [
    "# In Istio's mesh config (key `mesh` of the ConfigMap `istio`), beside what is there already.",
    '# istiod needs ISTIO_MULTIROOT_MESH=true, the proxies PROXY_CONFIG_XDS_AGENT=true.',
    `# Each certificate is narrowed: it can speak for ${name} only. Nothing renews it here: print it`,
    '# again before our roots rotate, or run an agent next to that mesh.',
    'caCertificates:',
    ...entries,
  ].join('\n');
}
