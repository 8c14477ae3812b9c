import { defined } from '../../objects/index.ts';
import { pathOf, trustDomainOf } from '../../spiffe/index.ts';
import { type Caller, callerText, covers, trustDomainOfCaller } from '../access/caller.ts';
import { type HttpCondition, literalsOf } from '../access/http-condition.ts';
import type { AccessPolicy, AccessRule } from '../access/rule.ts';
import {
  type Compile,
  type CompilationWarning,
  OWNER,
  type Placement,
  type Refusal,
  serverFirstWarnings,
  writable,
} from './compilation.ts';

/** The form of Consul's own identities; the datacenter and the namespace are the peering's. */
const CONSUL_PATH = /^\/ns\/default\/dc\/[^/]+\/svc\/([^/]+)$/;

/**
 * For Consul: one service-intentions entry. The most specific source alone counts there, and the
 * first of its permissions that matches. So each named source has the rules about its whole trust
 * domain too, denying ones first, and everything else is denied.
 */
export const compileForConsul: Compile = (policy, placement) => {
  const { rules, refused } = writable(policy, (rule) => refusalsOf(rule, policy, placement));
  if (rules === undefined) return { objects: [], refused, warnings: [] };
  const isHttp = policy.service.ports.some(({ protocol }) => protocol !== 'tcp');
  const callers = new Map(
    rules.flatMap((rule) => rule.callers.map((caller) => [callerText(caller), caller] as const)),
  );
  const sources = [...callers.values()].map((caller) => {
    const about = rules.filter((rule) => rule.callers.some((each) => covers(each, caller)));
    return { ...sourceOf(caller, placement), ...decision(about, isHttp) };
  });
  const object = {
    apiVersion: 'consul.hashicorp.com/v1alpha1',
    kind: 'ServiceIntentions',
    metadata: { name: policy.service.id.replaceAll('.', '-'), namespace: placement.namespace, labels: OWNER },
    spec: {
      destination: { name: policy.service.id.replaceAll('.', '-') },
      sources: [...sources, { name: '*', action: 'deny' }],
    },
  };
  return { objects: [object], refused, warnings: [...warningsOf(rules), ...serverFirstWarnings(policy)] };
};

function refusalsOf(
  { id, callers, ports }: AccessRule,
  { service }: AccessPolicy,
  { peerNames }: Placement,
): readonly Refusal[] {
  const found: Refusal[] = [];
  if (ports !== undefined && ports.length < service.ports.length)
    found.push({
      rule: id,
      element: 'port',
      message: 'an intention knows no ports: export each port as a service of its own',
    });
  for (const caller of callers) {
    const trustDomain = trustDomainOfCaller(caller);
    if (!Object.hasOwn(peerNames, trustDomain))
      found.push({
        rule: id,
        element: 'caller',
        message: `Consul has no peering for ${trustDomain}, so an intention cannot name it`,
      });
    else if (caller.kind === 'identity' && !CONSUL_PATH.test(pathOf(caller.id)))
      found.push({
        rule: id,
        element: 'caller',
        message: `an intention names services of Consul, and ${caller.id} is not one: let the federation gateway or OPA decide`,
      });
  }
  return found;
}

function sourceOf(caller: Caller, { peerNames }: Placement): object {
  if (caller.kind === 'trust-domain') return { name: '*', peer: peerNames[caller.trustDomain] };
  const [, name = ''] = CONSUL_PATH.exec(pathOf(caller.id)) ?? [];
  return { name, peer: peerNames[trustDomainOf(caller.id)] };
}

function decision(rules: readonly AccessRule[], isHttp: boolean): object {
  const ordered = [
    ...rules.filter(({ effect }) => effect === 'deny'),
    ...rules.filter(({ effect }) => effect === 'allow'),
  ];
  const [first] = ordered;
  if (!isHttp || first === undefined || ordered.every(({ http }) => http === undefined))
    return { action: first?.effect ?? 'deny' };
  return {
    permissions: [
      ...ordered.flatMap(({ effect, http }) =>
        httpOf(http).map((condition) => ({ action: effect, http: condition })),
      ),
      { action: 'deny', http: { pathPrefix: '/' } },
    ],
  };
}

/** A permission has one path, so a rule becomes one for each of its paths. */
function httpOf(http: HttpCondition | undefined): readonly object[] {
  const common = {
    ...defined({ methods: http?.methods }),
    ...(http?.headers
      ? {
          header: http.headers.map(({ name, value }) => ({
            name,
            ...(value === undefined ? { present: true } : { exact: value }),
          })),
        }
      : {}),
  };
  const paths = http?.paths
    ?.flatMap(literalsOf)
    .map(({ kind, text }) => (kind === 'exact' ? { pathExact: text } : { pathPrefix: text })) ?? [
    { pathPrefix: '/' },
  ];
  return paths.map((path) => ({ ...path, ...common }));
}

function warningsOf(rules: readonly AccessRule[]): readonly CompilationWarning[] {
  const byId = rules.some(({ callers }) => callers.some(({ kind }) => kind === 'identity'));
  const byPath = rules.some(({ http }) => http?.paths);
  return [
    ...(byId
      ? [
          {
            code: 'datacenter-not-compared' as const,
            message:
              'Consul compares the service of a caller and its peering, not the datacenter in its SPIFFE ID',
          },
        ]
      : []),
    ...(byPath
      ? [
          {
            code: 'needs-path-normalization' as const,
            message:
              'rules about paths need Consul 1.20.1 or later, with request normalization and the action REJECT_REQUEST for escaped slashes in the mesh config entry',
          },
        ]
      : []),
  ];
}
