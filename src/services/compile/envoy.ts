import { AMBIGUOUS_PATH } from '../access/canonical-path.ts';
import type { Caller } from '../access/caller.ts';
import {
  type HeaderMatch,
  type HttpCondition,
  literalsOf,
  type PathMatch,
} from '../access/http-condition.ts';
import type { AccessRule } from '../access/rule.ts';
import type { ServicePort } from '../service/service.ts';
import { type Compile, serverFirstWarnings } from './compilation.ts';

const HTTP_RBAC = 'type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC';
const NETWORK_RBAC = 'type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC';

/**
 * For Envoy alone: for each port the filters that stand before the router, or before the TCP proxy.
 * The deny filter comes first. The allow filter is always there, so that nothing else is allowed.
 */
export const compileForEnvoy: Compile = (policy) => ({
  objects: policy.service.ports.map((port) => ({
    port: port.name,
    listen: port.port,
    filters: filtersOf(policy.rules, port, policy.service.id),
  })),
  refused: [],
  warnings: serverFirstWarnings(policy),
});

function filtersOf(rules: readonly AccessRule[], port: ServicePort, service: string): readonly object[] {
  const onPort = rules.filter(({ ports }) => ports === undefined || ports.includes(port.name));
  const denying = onPort.filter(({ effect }) => effect === 'deny');
  const allowing = onPort.filter(({ effect }) => effect === 'allow');
  const isHttp = port.protocol !== 'tcp';
  const filter = (part: string, action: 'ALLOW' | 'DENY', of: readonly AccessRule[]) => ({
    name: isHttp ? 'envoy.filters.http.rbac' : 'envoy.filters.network.rbac',
    typed_config: {
      '@type': isHttp ? HTTP_RBAC : NETWORK_RBAC,
      ...(isHttp ? {} : { stat_prefix: `federate.${service}.${port.name}.${part}` }),
      rules: { action, policies: Object.fromEntries(of.map((rule) => [rule.id, policyOf(rule)])) },
    },
  });
  return [
    ...(denying.length > 0 ? [filter('deny', 'DENY', denying)] : []),
    filter('allow', 'ALLOW', allowing),
  ];
}

function policyOf({ callers, http, effect }: AccessRule): object {
  return { permissions: [permissionOf(http, effect)], principals: callers.map(principalOf) };
}

function principalOf(caller: Caller): object {
  const name =
    caller.kind === 'identity' ? { exact: caller.id } : { prefix: `spiffe://${caller.trustDomain}/` };
  return { authenticated: { principal_name: name } };
}

function permissionOf(http: HttpCondition | undefined, effect: AccessRule['effect']): object {
  const parts = [
    ...(http?.methods
      ? [
          anyOf(
            http.methods.map((method) => ({ header: { name: ':method', string_match: { exact: method } } })),
          ),
        ]
      : []),
    ...(http?.headers ?? []).map(headerOf),
    ...(http?.paths ? [pathsOf(http.paths, effect)] : []),
  ];
  const [only] = parts;
  if (only === undefined) return { any: true };
  return parts.length === 1 ? only : { and_rules: { rules: parts } };
}

/** An allow rule never matches an ambiguous path; a deny rule always does. */
function pathsOf(paths: readonly PathMatch[], effect: AccessRule['effect']): object {
  const ambiguous = urlPath({ safe_regex: { regex: AMBIGUOUS_PATH } });
  const matches = paths.flatMap(literalsOf).map(({ kind, text }) => urlPath({ [kind]: text }));
  return effect === 'deny'
    ? anyOf([...matches, ambiguous])
    : { and_rules: { rules: [anyOf(matches), { not_rule: ambiguous }] } };
}

function headerOf({ name, value }: HeaderMatch): object {
  return {
    header: value === undefined ? { name, present_match: true } : { name, string_match: { exact: value } },
  };
}

const urlPath = (path: object) => ({ url_path: { path } });

function anyOf(rules: readonly object[]): object {
  const [only] = rules;
  return rules.length === 1 && only !== undefined ? only : { or_rules: { rules } };
}
