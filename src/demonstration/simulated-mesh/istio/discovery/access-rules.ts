import type { Rbac, RbacPermission, RbacPrincipal, StringMatcher } from '../../../../grpc/index.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import type { ObjectStore } from '../object-store.ts';
import { AUTHORIZATION_POLICIES } from '../resource-types.ts';
import type { AuthorizationPolicySpec } from '../schemas/authorization-policy.ts';

type Rule = NonNullable<AuthorizationPolicySpec['rules']>[number];

/**
 * Whom the proxy of a workload lets in, as istiod makes it of AuthorizationPolicies: those of its
 * namespace and of the root namespace whose selector its labels meet. Without any ALLOW policy
 * every caller with a trusted certificate is let in.
 */
export function accessFor(
  workload: { readonly namespace: string; readonly labels: Readonly<Record<string, string>> },
  { store, rootNamespace }: { readonly store: ObjectStore; readonly rootNamespace: string },
): { readonly deny: Rbac; readonly allow: Rbac } {
  const policies = store
    .list(AUTHORIZATION_POLICIES)
    .filter(({ metadata: { namespace } }) => namespace === workload.namespace || namespace === rootNamespace)
    .map(({ metadata, spec }) => ({ metadata, spec: spec as AuthorizationPolicySpec }))
    .filter(({ spec }) =>
      Object.entries(spec.selector?.matchLabels ?? {}).every(
        ([key, value]) => workload.labels[key] === value,
      ),
    );
  const denying = policies.filter(({ spec }) => spec.action === 'DENY');
  const allowing = policies.filter(({ spec }) => spec.action !== 'DENY');
  const anyCaller = { permissions: [{ any: true }], principals: [{ any: true }] };
  return {
    deny: { action: 'DENY', policies: Object.fromEntries(denying.flatMap(rbacOf)) },
    allow: {
      action: 'ALLOW',
      policies: allowing.length === 0 ? { anyCaller } : Object.fromEntries(allowing.flatMap(rbacOf)),
    },
  };
}

function rbacOf({
  metadata: { namespace, name },
  spec,
}: {
  readonly metadata: KubernetesObject['metadata'];
  readonly spec: AuthorizationPolicySpec;
}) {
  return (spec.rules ?? []).map((rule, index) => [
    `ns[${namespace}]-policy[${name}]-rule[${index}]`,
    { permissions: permissionsOf(rule), principals: principalsOf(rule) },
  ]);
}

function principalsOf({ from }: Rule): RbacPrincipal[] {
  return (from ?? []).reduce<RbacPrincipal[]>(
    (all, { source: { principals, notPrincipals } }) => [
      ...all,
      {
        and_ids: {
          ids: [
            { any: true },
            ...(principals ? [{ or_ids: { ids: principals.map(principalOf) } }] : []),
            ...(notPrincipals ? [{ not_id: { or_ids: { ids: notPrincipals.map(principalOf) } } }] : []),
          ],
        },
      },
    ],
    from === undefined ? [{ any: true }] : [],
  );
}

function permissionsOf({ to, when }: Rule): RbacPermission[] {
  const conditions = (when ?? []).flatMap(({ key, values, notValues }) => {
    const name = key.slice('request.headers['.length, -1).toLowerCase();
    const has = (texts: readonly string[]) => anyOf(texts.map((text) => ({ header: headerOf(name, text) })));
    return [...(values ? [has(values)] : []), ...(notValues ? [{ not_rule: has(notValues) }] : [])];
  });
  const operations: readonly NonNullable<Rule['to']>[number]['operation'][] =
    to === undefined ? [{}] : to.map(({ operation }) => operation);
  return operations.map((operation) => {
    const { ports, notPorts, methods, notMethods, paths, notPaths } = operation;
    const all = [
      ...either(ports, notPorts, (port) => ({ destination_port: Number(port) })),
      ...either(methods, notMethods, (method) => ({ header: headerOf(':method', method) })),
      ...either(paths, notPaths, (path) => ({ url_path: { path: matcherOf(path) } })),
      ...conditions,
    ];
    return all.length === 0 ? { any: true } : { and_rules: { rules: all } };
  });
}

function either(
  some: readonly string[] | undefined,
  none: readonly string[] | undefined,
  write: (text: string) => RbacPermission,
): RbacPermission[] {
  return [...(some ? [anyOf(some.map(write))] : []), ...(none ? [{ not_rule: anyOf(none.map(write)) }] : [])];
}

function anyOf(rules: readonly RbacPermission[]): RbacPermission {
  return { or_rules: { rules } };
}

function headerOf(name: string, text: string) {
  return text === '*' ? { name, present_match: true } : { name, string_match: matcherOf(text) };
}

/** A principal stands without its scheme in the policy and with it in a certificate. */
function principalOf(text: string): RbacPrincipal {
  const suffix = text.startsWith('*') ? text.slice(1) : undefined;
  const name =
    suffix === undefined
      ? matcherOf(`spiffe://${text}`)
      : { safe_regex: { regex: `spiffe://.*${escaped(suffix)}` } };
  return { authenticated: { principal_name: name } };
}

function matcherOf(text: string): StringMatcher {
  if (text === '*') return { safe_regex: { regex: '.+' } };
  if (text.endsWith('*')) return { prefix: text.slice(0, -1) };
  if (text.startsWith('*')) return { suffix: text.slice(1) };
  return { exact: text };
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);
}
