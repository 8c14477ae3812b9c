import { type Finding, noted, wrong } from '../contract/finding.ts';
import type { IstioFacts } from './facts.ts';
import { spireTemplatesIn } from './revisions.ts';

const ON: ReadonlySet<string> = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
/** Pods of a namespace, or one pod, in ambient mode. */
const DATAPLANE_LABEL = 'istio.io/dataplane-mode';

/**
 * Judges the deployments of istiod and the namespaces: flags, SPIRE, ambient. Pure. See
 * docs/meshes/istio.md.
 */
export function judgeControlPlanes(
  { istiods, configMaps, namespaces }: IstioFacts,
  systemNamespace: string,
): Finding[] {
  const findings: Finding[] = [];
  if (istiods?.length === 0)
    findings.push(
      noted(
        'istiod-not-found',
        systemNamespace,
        'no deployment of istiod is in this namespace, so its flags could not be looked at',
        'where istiod runs elsewhere, see that its environment has ISTIO_MULTIROOT_MESH=true',
      ),
    );
  for (const { name, env } of istiods ?? []) {
    const where = `deployment ${systemNamespace}/${name}`;
    const on = (variable: string) => ON.has(env.get(variable) ?? '');
    if (!on('ISTIO_MULTIROOT_MESH'))
      findings.push(
        wrong(
          'multiroot-off',
          where,
          'ISTIO_MULTIROOT_MESH is not on, so istiod does not hand foreign roots to the proxies',
          'set the environment variable ISTIO_MULTIROOT_MESH=true on istiod (Helm: pilot.env.ISTIO_MULTIROOT_MESH)',
        ),
      );
    if (on('PILOT_SKIP_VALIDATE_TRUST_DOMAIN'))
      findings.push(
        wrong(
          'trust-domain-check-off',
          where,
          'PILOT_SKIP_VALIDATE_TRUST_DOMAIN is on, so identities of every trust domain are let in once a root vouches for them',
          'take the variable away; Federate lists every trust domain that is to be let in',
        ),
      );
    if (on('ENABLE_CLUSTER_TRUST_BUNDLE_API'))
      findings.push(
        noted(
          'roots-in-cluster-trust-bundle',
          where,
          'istiod writes its own roots into the ClusterTrustBundle istio.io:istiod-ca:root-cert and not into the ConfigMap istio-ca-root-cert',
          'see that the ConfigMap the agent reads (mesh.root_config_map) is still kept up to date',
        ),
      );
  }
  const revisions = [...new Set((istiods ?? []).map(({ revision }) => revision))].sort();
  if (revisions.length > 1)
    findings.push(
      noted(
        'several-revisions',
        systemNamespace,
        `there are control planes of ${revisions.length} revisions (${revisions.join(', ')}), each with a mesh ConfigMap of its own`,
        'the agent writes all of them, unless mesh.revisions is "one"',
      ),
    );
  findings.push(...judgeSpire(configMaps), ...judgeAmbient(namespaces, systemNamespace));
  return findings;
}

function judgeSpire(configMaps: IstioFacts['configMaps']): Finding[] {
  return spireTemplatesIn(configMaps ?? []).map((name) =>
    wrong(
      'spire-integrated',
      `ConfigMap ${name}`,
      'sidecars use the socket of SPIRE: such workloads have their identity and their trust from SPIRE, so neither the roots of istiod nor caCertificates describe them',
      'run the agent next to SPIRE (mesh.kind: spire), which keeps foreign bundles by trust domain; the registration entries need federatesWith',
    ),
  );
}

function judgeAmbient(namespaces: IstioFacts['namespaces'], systemNamespace: string): Finding[] {
  return (namespaces ?? [])
    .filter(({ labels, name }) => labels[DATAPLANE_LABEL] === 'ambient' && name !== systemNamespace)
    .map(({ name }) =>
      wrong(
        'ambient-namespace',
        `namespace ${name}`,
        'its workloads are in ambient mode: ztunnel does not look at caCertificates and refuses a peer of another trust domain',
        'let foreign identities end at an Envoy gateway in front of it, or use sidecars for what is federated',
      ),
    );
}
