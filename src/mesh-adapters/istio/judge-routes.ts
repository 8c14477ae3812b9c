import { type Finding, wrong } from '../contract/finding.ts';
import type { IstioFacts } from './facts.ts';
import { type Fields, fieldsOf, listOf, textOf, textsOf } from '../contract/fields.ts';

const ADVICE = 'list the SPIFFE IDs that the other side may have in subjectAltNames';

/**
 * Judges the ways out of the mesh that do not check the identity of the server. Pure. See
 * docs/meshes/istio.md.
 */
export function judgeRoutes({ serviceEntries, destinationRules }: IstioFacts): Finding[] {
  const entries = serviceEntries ?? [];
  const named = new Set(
    entries
      .filter(({ spec }) => textsOf(spec['subjectAltNames']).length > 0)
      .flatMap(({ spec }) => textsOf(spec['hosts'])),
  );
  const hosts = new Set(entries.flatMap(({ spec }) => textsOf(spec['hosts'])));
  return [
    ...entries
      .filter(({ spec }) => isMtls(spec) && textsOf(spec['subjectAltNames']).length === 0)
      .map(({ namespace, name, spec }) =>
        wrong(
          'service-entry-without-names',
          `ServiceEntry ${namespace}/${name}`,
          `subjectAltNames is empty, so for ${textsOf(spec['hosts']).join(', ')} any identity that any root vouches for is taken`,
          ADVICE,
        ),
      ),
    ...(destinationRules ?? []).flatMap(({ namespace, name, spec }) => {
      const host = textOf(spec['host']);
      const open = tlsSettingsOf(spec).filter((tls) => {
        const mode = textOf(tls['mode']);
        if (textsOf(tls['subjectAltNames']).length > 0 || named.has(host)) return false;
        const sni = textOf(tls['sni']) !== '';
        // SIMPLE without its own SNI is checked against the DNS name of the request.
        if (mode === 'SIMPLE') return sni;
        // Services of the cluster have the names of their pods. A host with its own SNI or outside
        // the cluster does not.
        return (mode === 'ISTIO_MUTUAL' || mode === 'MUTUAL') && (sni || hosts.has(host));
      });
      if (open.length === 0) return [];
      return [
        wrong(
          'destination-rule-without-names',
          `DestinationRule ${namespace}/${name}`,
          `subjectAltNames is empty for host ${JSON.stringify(host)}, so any identity that any root vouches for is taken as the other side`,
          ADVICE,
        ),
      ];
    }),
  ];
}

/** A ServiceEntry with endpoints that Istio's own mTLS reaches. */
function isMtls(spec: Fields): boolean {
  const labelled = listOf(spec['endpoints']).some(
    ({ labels }) => textOf(fieldsOf(labels)['security.istio.io/tlsMode']) === 'istio',
  );
  return textOf(spec['location']) === 'MESH_INTERNAL' || labelled;
}

/** Every `tls` of a DestinationRule: of the whole, of a port, of a subset. */
function tlsSettingsOf(spec: Fields): Fields[] {
  const policies = [spec, ...listOf(spec['subsets'])].map((each) => fieldsOf(each['trafficPolicy']));
  return policies.flatMap((policy) => [
    fieldsOf(policy['tls']),
    ...listOf(policy['portLevelSettings']).map((each) => fieldsOf(each['tls'])),
  ]);
}
