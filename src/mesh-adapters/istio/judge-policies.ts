import { type Finding, noted, wrong } from '../contract/finding.ts';
import type { IstioFacts } from './facts.ts';
import { type Fields, fieldsOf, listOf, textOf, textsOf } from '../contract/fields.ts';
import type { MeshObject } from './fields.ts';

/**
 * Policies that let in more than they seem to, once foreign roots are there.
 * Pure.
 */
export function judgePolicies(facts: IstioFacts, rootNamespace: string): Finding[] {
  return [...judgeMtls(facts, rootNamespace), ...judgeAuthorization(facts, rootNamespace)];
}

/**
 * In any mode but STRICT, a foreign client with an ALPN other than Istio's counts as plain TCP, and
 * Istio checks no identity.
 */
function judgeMtls({ peerAuthentications, namespaces }: IstioFacts, rootNamespace: string): Finding[] {
  if (!peerAuthentications) return [];
  const findings: Finding[] = [];
  const whole = peerAuthentications.filter(
    ({ spec }) => Object.keys(fieldsOf(spec['selector'])).length === 0,
  );
  const isStrict = ({ spec }: MeshObject) => textOf(fieldsOf(spec['mtls'])['mode']) === 'STRICT';
  const strictIn = (namespace: string) =>
    whole.some((each) => each.namespace === namespace && isStrict(each));
  for (const policy of peerAuthentications) {
    const lax = laxModesOf(policy.spec);
    if (lax.length > 0)
      findings.push(
        wrong(
          'mtls-permissive',
          `PeerAuthentication ${policy.namespace}/${policy.name}`,
          `it sets ${lax.join(' and ')}: a client with an ALPN other than Istio's counts as plain TCP there, and Istio checks no identity`,
          'set mtls.mode: STRICT for every workload that is reached from another trust domain',
        ),
      );
  }
  if (strictIn(rootNamespace)) return findings;
  const open = (namespaces ?? []).filter((each) => isInjected(each) && !strictIn(each.name));
  if (namespaces && open.length === 0 && namespaces.some(isInjected)) return findings;
  findings.push(
    wrong(
      'mtls-not-strict',
      open.length > 0 ? `namespaces ${open.map(({ name }) => name).join(', ')}` : 'the mesh',
      `no PeerAuthentication in ${rootNamespace} makes mTLS STRICT, so workloads without their own policy are PERMISSIVE: a client with an ALPN other than Istio's counts as plain TCP, and Istio checks no identity`,
      `apply a PeerAuthentication with mtls.mode: STRICT in ${rootNamespace}, or in the namespaces that are reached from another trust domain`,
    ),
  );
  return findings;
}

function isInjected({ labels }: MeshObject): boolean {
  return labels['istio-injection'] === 'enabled' || labels['istio.io/rev'] !== undefined;
}

function laxModesOf({ mtls, portLevelMtls }: Fields): string[] {
  const mode = textOf(fieldsOf(mtls)['mode']);
  const lax = (each: string) => each === 'PERMISSIVE' || each === 'DISABLE';
  return [
    ...(lax(mode) ? [`mtls.mode ${mode}`] : []),
    ...Object.entries(fieldsOf(portLevelMtls)).flatMap(([port, level]) => {
      const portMode = textOf(fieldsOf(level)['mode']);
      return lax(portMode) ? [`${portMode} for port ${port}`] : [];
    }),
  ];
}

function judgeAuthorization(
  { authorizationPolicies, namespaces }: IstioFacts,
  rootNamespace: string,
): Finding[] {
  if (!authorizationPolicies) return [];
  const allowing = authorizationPolicies.filter(
    ({ spec }) => textOf(spec['action']) === 'ALLOW' || spec['action'] === undefined,
  );
  const findings = allowing.flatMap((policy) => {
    const where = `AuthorizationPolicy ${policy.namespace}/${policy.name}`;
    const sources = listOf(policy.spec['rules']).flatMap((rule) =>
      listOf(rule['from']).map((from) => fieldsOf(from['source'])),
    );
    return sources.flatMap((source) => judgeSource(source, where));
  });
  const open = (namespaces ?? [])
    .filter(isInjected)
    .map(({ name }) => name)
    .filter((name) => !allowing.some(({ namespace }) => namespace === name || namespace === rootNamespace));
  if (open.length > 0)
    findings.push(
      noted(
        'no-authorization-policy',
        `namespaces ${open.join(', ')}`,
        'no AuthorizationPolicy names an identity here, so every identity of every federated trust domain is let in',
        'add an AuthorizationPolicy with action ALLOW that names principals to what is reached from another trust domain',
      ),
    );
  return findings;
}

/** One `source` of an ALLOW rule. Its conditions must all match. */
function judgeSource(source: Fields, where: string): Finding[] {
  const principals = textsOf(source['principals']);
  const trustDomains = textsOf(source['trustDomains']);
  const wild = principals.filter((each) => each.startsWith('*'));
  if (wild.length > 0)
    return [
      wrong(
        'wildcard-principal',
        where,
        `the principal ${wild.map((each) => JSON.stringify(each)).join(', ')} begins with "*", so it admits identities of every trust domain with roots in this mesh`,
        'name the trust domain: "<trust domain>/ns/<namespace>/sa/<account>", or "<trust domain>/*" for a whole one',
      ),
    ];
  if (principals.length > 0 || trustDomains.length > 0) return [];
  for (const [field, code] of [
    ['namespaces', 'namespace-only-rule'],
    ['serviceAccounts', 'service-account-only-rule'],
  ] as const) {
    const named = textsOf(source[field]);
    if (named.length > 0)
      return [
        wrong(
          code,
          where,
          `a source names ${field} ${named.map((each) => JSON.stringify(each)).join(', ')} and no trust domain: the same names in a foreign trust domain are let in too`,
          'replace it by principals: "<trust domain>/ns/<namespace>/sa/<account>", or "<trust domain>/ns/<namespace>/*"',
        ),
      ];
  }
  const excluded = ['notPrincipals', 'notNamespaces', 'notServiceAccounts'].filter(
    (field) => textsOf(source[field]).length > 0,
  );
  if (excluded.length === 0) return [];
  return [
    wrong(
      'exclusion-only-rule',
      where,
      `a source lists only exclusions (${excluded.join(', ')}), so it admits every foreign identity`,
      'add principals that name the trust domain of those who are let in',
    ),
  ];
}
