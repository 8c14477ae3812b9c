import type { AccessRule } from '../access/rule.ts';
import { type Compile, objectName, OWNER, type Refusal, refuseHttp } from './compilation.ts';
import { withoutDenied } from './without-denied.ts';

const NO_HTTP = 'the AuthorizationPolicy of GEP-3779 has no conditions of HTTP yet';

/**
 * For Kubernetes: one AuthorizationPolicy of the Gateway API (GEP-3779, experimental) with a rule for
 * each port.
 */
export const compileForKubernetes: Compile = (policy, { namespace, labels }) => {
  const { rules, ports, refused } = withoutDenied(policy, (rule) => [
    ...refuseHttp(rule, NO_HTTP),
    ...refuseTrustDomains(rule),
  ]);
  if (rules === undefined) return { objects: [], refused, warnings: [] };
  const object = {
    apiVersion: 'gateway.networking.x-k8s.io/v1alpha1',
    kind: 'XAuthorizationPolicy',
    metadata: { name: objectName(policy, 'access'), namespace, labels: OWNER },
    spec: {
      targetRefs: [{ kind: 'Pod', selector: { matchLabels: labels } }],
      enforcementLevel: 'Network',
      action: 'ALLOW',
      rules: ports
        .filter(({ callers }) => callers.length > 0)
        .map(({ port, callers }) => ({
          sources: callers.flatMap((caller) =>
            caller.kind === 'identity' ? [{ type: 'SPIFFE', spiffe: caller.id }] : [],
          ),
          networkAttributes: {
            ports: policy.service.ports.filter(({ name }) => name === port).map((each) => each.port),
          },
        })),
    },
  };
  return { objects: [object], refused, warnings: [] };
};

/** A denied trust domain is subtracted, so only an allowed one needs to be expressed. */
function refuseTrustDomains({ id, effect, callers }: AccessRule): readonly Refusal[] {
  if (effect === 'deny' || callers.every(({ kind }) => kind === 'identity')) return [];
  return [
    {
      rule: id,
      element: 'caller',
      message: 'a source of GEP-3779 is one SPIFFE ID: name the identities one by one',
    },
  ];
}
