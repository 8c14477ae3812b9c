import { defined } from '../../objects/index.ts';
import { type Caller, isCaller } from '../access/caller.ts';
import { type AccessPolicy, type AccessRule, portsOf } from '../access/rule.ts';
import type { Protocol, ServicePort } from '../service/service.ts';
import { type Compile, objectName, OWNER, type Placement, type Refusal, refuseHttp } from './compilation.ts';
import { type AtomCallers, atomsOf, closedAtoms, MAX_ATOMS } from './http-atoms.ts';
import { withoutDenied } from './without-denied.ts';

const POLICY = 'policy.linkerd.io';
const PROXY_PROTOCOL: Readonly<Record<Protocol, string>> = {
  http: 'HTTP/1',
  http2: 'HTTP/2',
  grpc: 'gRPC',
  tcp: 'opaque',
};

/**
 * For Linkerd: a Server for each port that allows nothing by itself, and an AuthorizationPolicy with
 * its MeshTLSAuthentication on it, or on a route where the rules have conditions of HTTP.
 */
export const compileForLinkerd: Compile = (policy, placement) => {
  const { rules, ports, refused } = withoutDenied(policy, (rule) => refusalsOf(rule, policy));
  if (rules === undefined) return { objects: [], refused, warnings: [] };
  const objects: object[] = [];
  for (const port of policy.service.ports) {
    const callers = ports.find((each) => each.port === port.name)?.callers ?? [];
    const routes = closedAtoms(atomsOnPort(policy, rules, port, callers));
    if (!routes) {
      const rule = rules.find(({ http }) => http)?.id ?? '';
      const message = `the conditions on port ${port.name} overlap in more than ${MAX_ATOMS} ways, and Linkerd judges by one route for each request`;
      return { objects: [], refused: [...refused, { rule, element: 'path', message }], warnings: [] };
    }
    objects.push(server(policy, placement, port), ...grants(policy, placement, port, routes));
  }
  return {
    objects,
    refused,
    warnings: [
      {
        code: 'first-name-counts',
        message:
          'Linkerd compares the first name of a client certificate only, so a caller whose certificate has a DNS name before its SPIFFE ID is refused',
      },
    ],
  };
};

function refusalsOf(rule: AccessRule, { rules }: AccessPolicy): readonly Refusal[] {
  if (rule.effect === 'deny')
    return refuseHttp(
      rule,
      'Linkerd has no deny rules, and only whole identities can be taken out of the allowed ones',
    );
  const { id, callers, http } = rule;
  const found: Refusal[] = [];
  if (callers.some(({ kind }) => kind !== 'identity'))
    found.push({
      rule: id,
      element: 'caller',
      message: 'Linkerd compares whole SPIFFE IDs: name the identities one by one',
    });
  if (http?.paths?.some(({ kind }) => kind === 'prefix'))
    found.push({
      rule: id,
      element: 'path',
      message:
        'Linkerd does not normalize paths, so "/v1/../x" would count as below /v1: name the paths one by one',
    });
  const withValue = new Set(
    rules.flatMap((each) =>
      (each.http?.headers ?? []).flatMap(({ name, value }) => (value === undefined ? [] : [name])),
    ),
  );
  const both = http?.headers?.find(({ name, value }) => value === undefined && withValue.has(name));
  if (both)
    found.push({
      rule: id,
      element: 'header',
      message: `another rule compares the value of ${both.name}, and Linkerd does not rank a value before the mere presence of a header: name the values`,
    });
  return found;
}

/** The conditions of the allow rules on a port, with the callers that no deny rule took out. */
function atomsOnPort(
  policy: AccessPolicy,
  rules: readonly AccessRule[],
  port: ServicePort,
  left: readonly Caller[],
): readonly AtomCallers[] {
  return rules
    .filter((rule) => rule.effect === 'allow' && portsOf(rule, policy.service).includes(port))
    .flatMap(({ callers, http }) => {
      const kept = callers.filter(
        (caller) => caller.kind === 'identity' && left.some((each) => isCaller(each, caller.id)),
      );
      return kept.length === 0 ? [] : atomsOf(http).map((atom) => ({ atom, callers: kept }));
    });
}

function server(
  policy: AccessPolicy,
  { namespace, labels }: Placement,
  { name, port, protocol }: ServicePort,
): object {
  return {
    apiVersion: `${POLICY}/v1beta3`,
    kind: 'Server',
    metadata: { name: objectName(policy, name), namespace, labels: OWNER },
    spec: {
      podSelector: { matchLabels: labels },
      port,
      proxyProtocol: PROXY_PROTOCOL[protocol],
      accessPolicy: 'deny',
    },
  };
}

function grants(
  policy: AccessPolicy,
  { namespace }: Placement,
  port: ServicePort,
  routes: readonly AtomCallers[],
): readonly object[] {
  const serverName = objectName(policy, port.name);
  const isPlain = routes.every(
    ({ atom }) => atom.method === undefined && atom.path === undefined && atom.headers.length === 0,
  );
  return routes.flatMap(({ atom, callers }, index) => {
    const name = isPlain ? serverName : `${serverName}-${index + 1}`;
    const metadata = { name, namespace, labels: OWNER };
    const route = {
      apiVersion: `${POLICY}/v1beta3`,
      kind: 'HTTPRoute',
      metadata,
      spec: {
        parentRefs: [{ group: POLICY, kind: 'Server', name: serverName }],
        rules: [
          {
            matches: [
              {
                path:
                  atom.path === undefined
                    ? { type: 'PathPrefix', value: '/' }
                    : { type: 'Exact', value: atom.path },
                ...defined({ method: atom.method }),
                ...(atom.headers.length === 0
                  ? {}
                  : {
                      headers: atom.headers.map((header) =>
                        header.value === undefined
                          ? { type: 'RegularExpression', name: header.name, value: '.*' }
                          : { type: 'Exact', name: header.name, value: header.value },
                      ),
                    }),
              },
            ],
          },
        ],
      },
    };
    return [
      ...(isPlain ? [] : [route]),
      {
        apiVersion: `${POLICY}/v1alpha1`,
        kind: 'MeshTLSAuthentication',
        metadata,
        spec: { identities: callers.flatMap((caller) => (caller.kind === 'identity' ? [caller.id] : [])) },
      },
      {
        apiVersion: `${POLICY}/v1alpha1`,
        kind: 'AuthorizationPolicy',
        metadata,
        spec: {
          targetRef: { group: POLICY, kind: isPlain ? 'Server' : 'HTTPRoute', name },
          requiredAuthenticationRefs: [{ group: POLICY, kind: 'MeshTLSAuthentication', name }],
        },
      },
    ];
  });
}
