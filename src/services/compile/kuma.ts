import type { Caller } from '../access/caller.ts';
import { type AccessPolicy, portsOf } from '../access/rule.ts';
import { type Compile, objectName, OWNER, refuseHttp, serverFirstWarnings, writable } from './compilation.ts';

const NO_HTTP =
  'a MeshTrafficPermission knows identities only: use the federation gateway, or a rule without this condition';

/** For Kuma: one MeshTrafficPermission for each port. Deny goes before allow there too. */
export const compileForKuma: Compile = (policy, { labels }) => {
  const { rules, refused } = writable(policy, (rule) => refuseHttp(rule, NO_HTTP));
  if (rules === undefined) return { objects: [], refused, warnings: [] };
  const objects = policy.service.ports.map(({ name }) => {
    const of = (effect: 'allow' | 'deny') =>
      rules
        .filter(
          (rule) =>
            rule.effect === effect && portsOf(rule, policy.service).some((port) => port.name === name),
        )
        .flatMap(({ callers }) => callers.map(matchOf));
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

function matchOf(caller: Caller): object {
  return {
    spiffeID:
      caller.kind === 'identity'
        ? { type: 'Exact', value: caller.id }
        : { type: 'Prefix', value: `spiffe://${caller.trustDomain}/` },
  };
}
