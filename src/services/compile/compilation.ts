import type { AccessPolicy, AccessRule } from '../access/rule.ts';

/** An element of a rule that the target cannot express. Nothing is written in its place. */
export interface Refusal {
  readonly rule: string;
  readonly element: 'caller' | 'port' | 'method' | 'path' | 'header' | 'deny';
  readonly message: string;
}

/** What the operator has to know, although the policy can be expressed. */
export interface CompilationWarning {
  readonly code:
    | 'server-first-port'
    | 'needs-path-normalization'
    | 'datacenter-not-compared'
    | 'first-name-counts';
  readonly message: string;
}

export interface Compilation {
  /** The objects of the target. Empty where a deny rule was refused: the rest would allow too much. */
  readonly objects: readonly object[];
  readonly refused: readonly Refusal[];
  readonly warnings: readonly CompilationWarning[];
}

/** How the mesh names what the policy is about. */
export interface Placement {
  /** The namespace of the workload, where the target has namespaces. */
  readonly namespace: string;
  /** Labels that select the workload's pods or dataplanes. */
  readonly labels: Readonly<Record<string, string>>;
  /** The name that Consul has for each trust domain: of its peering. */
  readonly peerNames: Readonly<Record<string, string>>;
}

/** Writes a policy for one target. Pure, and gives the same objects for the same policy. */
export type Compile = (policy: AccessPolicy, placement: Placement) => Compilation;

/** The elements of a rule that need HTTP, each refused with the same reason. */
export function refuseHttp({ id, http }: AccessRule, message: string): readonly Refusal[] {
  const found: Refusal[] = [];
  if (http?.methods) found.push({ rule: id, element: 'method', message });
  if (http?.paths) found.push({ rule: id, element: 'path', message });
  if (http?.headers) found.push({ rule: id, element: 'header', message });
  return found;
}

/**
 * The rules that can be written, when `refuse` names what cannot: an allow rule with a refused
 * element is left out, and a refused deny rule takes the whole policy away.
 */
export function writable(
  { rules }: AccessPolicy,
  refuse: (rule: AccessRule) => readonly Refusal[],
): { readonly rules: readonly AccessRule[] | undefined; readonly refused: readonly Refusal[] } {
  const judged = rules.map((rule) => ({ rule, refused: refuse(rule) }));
  const refused = judged.flatMap((each) => each.refused);
  const isDenyRefused = judged.some(({ rule, refused }) => rule.effect === 'deny' && refused.length > 0);
  if (isDenyRefused) return { rules: undefined, refused };
  return { rules: judged.filter((each) => each.refused.length === 0).map(({ rule }) => rule), refused };
}

/** A warning for each port on which the server speaks before the client has proved anything. */
export function serverFirstWarnings({ service }: AccessPolicy): readonly CompilationWarning[] {
  return service.ports
    .filter(({ serverFirst }) => serverFirst)
    .map(({ name }) => ({
      code: 'server-first-port' as const,
      message: `on port ${name} of ${service.id} the server speaks first: Envoy decides at the first byte of the client, so a refused caller that stays silent reads what the server sends`,
    }));
}

/**
 * What a policy's objects are called. A dash of the ID is doubled, so that `web.shop` and `web-shop`
 * have different names.
 */
export function objectName({ service }: AccessPolicy, part: string): string {
  return `federate-${service.id.replaceAll('-', '--').replaceAll('.', '-')}-${part}`;
}

/** By this label Federate knows its own objects. */
export const OWNER = { 'app.kubernetes.io/managed-by': 'federate' } as const;
