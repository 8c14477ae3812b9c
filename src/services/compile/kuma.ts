import type { Caller } from '../access/caller.ts';
import { type AccessPolicy, type AccessRule, portsOf } from '../access/rule.ts';
import {
  type Compile,
  objectName,
  OWNER,
  type Refusal,
  refuseHttp,
  serverFirstWarnings,
  writable,
} from './compilation.ts';

const NO_HTTP =
  'a MeshTrafficPermission knows identities only: use the federation gateway, or a rule without this condition';

/** For Kuma: one MeshTrafficPermission for each port. Deny goes before allow there too. */
export const compileForKuma: Compile = (policy, { labels }) => {
  const { rules, refused } = writable(policy, (rule) => [
    ...refuseHttp(rule, NO_HTTP),
    ...refuseTrustDomains(rule),
  ]);
  if (rules === undefined) return { objects: [], refused, warnings: [] };
  const objects = policy.service.ports.map(({ name }) => {
    const of = (effect: 'allow' | 'deny') =>
      rules
        .filter(
          (rule) =>
            rule.effect === effect && portsOf(rule, policy.service).some((port) => port.name === name),
        )
        .flatMap(({ callers }) => callers.flatMap(matchesOf));
    const [allow, deny] = [of('allow'), of('deny')];
    return permission(policy, name, labels, {
      ...(deny.length > 0 ? { deny } : {}),
      ...(allow.length > 0 ? { allow } : {}),
    });
  });
  return { objects, refused, warnings: serverFirstWarnings(policy) };
};

function permission(
  policy: AccessPolicy,
  port: string,
  labels: Readonly<Record<string, string>>,
  rule: object,
): object {
  return {
    type: 'MeshTrafficPermission',
    mesh: 'default',
    name: objectName(policy, port),
    labels: OWNER,
    spec: { targetRef: { kind: 'Dataplane', labels, sectionName: port }, rules: [{ default: rule }] },
  };
}

/**
 * Kuma compares a prefix as text and takes none that ends with a slash, so a prefix for one trust
 * domain would let in others whose names begin alike.
 */
function refuseTrustDomains({ id, callers }: AccessRule): readonly Refusal[] {
  return callers.flatMap((caller) =>
    caller.kind === 'identity'
      ? []
      : [
          {
            rule: id,
            element: 'caller',
            message: `Kuma cannot name all identities of ${caller.trustDomain} without those of trust domains whose names begin alike: name the identities one by one`,
          },
        ],
  );
}

function matchesOf(caller: Caller): readonly object[] {
  return caller.kind === 'identity' ? [{ spiffeID: { type: 'Exact', value: caller.id } }] : [];
}
