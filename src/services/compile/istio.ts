import { defined } from '../../objects/index.ts';
import type { Caller } from '../access/caller.ts';
import { literalsOf } from '../access/http-condition.ts';
import { type AccessPolicy, type AccessRule, portsOf } from '../access/rule.ts';
import {
  type Compile,
  type CompilationWarning,
  objectName,
  OWNER,
  type Placement,
  serverFirstWarnings,
} from './compilation.ts';

/**
 * For Istio: one AuthorizationPolicy with the allow rules, which is there without a rule too, and
 * one with the deny rules. The principals of another trust domain pass literally.
 */
export const compileForIstio: Compile = (policy, placement) => {
  const part = (effect: AccessRule['effect']) => policy.rules.filter((rule) => rule.effect === effect);
  const denying = part('deny');
  return {
    objects: [
      authorizationPolicy(policy, placement, 'ALLOW', part('allow')),
      ...(denying.length > 0 ? [authorizationPolicy(policy, placement, 'DENY', denying)] : []),
    ],
    refused: [],
    warnings: [...normalizationWarning(policy), ...serverFirstWarnings(policy)],
  };
};

function authorizationPolicy(
  policy: AccessPolicy,
  { namespace, labels }: Placement,
  action: 'ALLOW' | 'DENY',
  rules: readonly AccessRule[],
): object {
  return {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: objectName(policy, action.toLowerCase()), namespace, labels: OWNER },
    spec: { selector: { matchLabels: labels }, action, rules: rules.map((rule) => ruleOf(rule, policy)) },
  };
}

function ruleOf(rule: AccessRule, { service }: AccessPolicy): object {
  const { callers, http } = rule;
  return {
    from: [{ source: { principals: callers.map(principalOf) } }],
    to: [
      {
        operation: {
          // Always named: without a port, conditions of HTTP on a TCP port would deny more.
          ports: portsOf(rule, service).map(({ port }) => String(port)),
          ...defined({ methods: http?.methods }),
          ...(http?.paths
            ? {
                paths: http.paths
                  .flatMap(literalsOf)
                  .map(({ kind, text }) => (kind === 'exact' ? text : `${text}*`)),
              }
            : {}),
        },
      },
    ],
    ...(http?.headers
      ? {
          when: http.headers.map(({ name, value }) => ({
            key: `request.headers[${name}]`,
            values: [value ?? '*'],
          })),
        }
      : {}),
  };
}

function principalOf(caller: Caller): string {
  return caller.kind === 'identity' ? caller.id.slice('spiffe://'.length) : `${caller.trustDomain}/*`;
}

function normalizationWarning({ rules }: AccessPolicy): readonly CompilationWarning[] {
  if (!rules.some(({ http }) => http?.paths)) return [];
  return [
    {
      code: 'needs-path-normalization',
      message:
        'rules about paths hold in Istio only with meshConfig.pathNormalization.normalization: DECODE_AND_MERGE_SLASHES, because its default leaves "//" and "%2F" in a path',
    },
  ];
}
