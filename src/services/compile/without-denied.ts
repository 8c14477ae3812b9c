import { type Caller, callerText, covers } from '../access/caller.ts';
import { type AccessPolicy, type AccessRule, portsOf } from '../access/rule.ts';
import { type Refusal, writable } from './compilation.ts';

/** One port, and the callers that may use it. */
export interface PortCallers {
  readonly port: string;
  readonly callers: readonly Caller[];
}

/**
 * For targets without deny rules: the rules that can be written, and who may use each port after the
 * denied callers were taken out. Looks at no conditions of HTTP, so `refuse` has to name those of deny
 * rules. Without rules where a deny rule is refused, or would cut one identity out of an allowed trust
 * domain.
 */
export function withoutDenied(
  policy: AccessPolicy,
  refuse: (rule: AccessRule) => readonly Refusal[],
): {
  readonly rules: readonly AccessRule[] | undefined;
  readonly ports: readonly PortCallers[];
  readonly refused: readonly Refusal[];
} {
  const { rules, refused } = writable(policy, refuse);
  const { ports, cuts } = subtract(policy, rules ?? []);
  return { rules: cuts.length > 0 ? undefined : rules, ports, refused: [...refused, ...cuts] };
}

function subtract(
  { service }: AccessPolicy,
  rules: readonly AccessRule[],
): { readonly ports: readonly PortCallers[]; readonly cuts: readonly Refusal[] } {
  const cuts: Refusal[] = [];
  const ports = service.ports.map(({ name }) => {
    const onPort = rules.filter((rule) => portsOf(rule, service).some((port) => port.name === name));
    const callers = new Map(
      onPort
        .filter(({ effect }) => effect === 'allow')
        .flatMap((rule) => rule.callers.map((caller) => [callerText(caller), caller] as const)),
    );
    for (const rule of onPort.filter(({ effect }) => effect === 'deny')) {
      for (const denied of rule.callers) {
        for (const [text, caller] of callers) {
          if (covers(denied, caller)) callers.delete(text);
          else if (covers(caller, denied))
            cuts.push({
              rule: rule.id,
              element: 'deny',
              message: `${callerText(denied)} cannot be cut out of the allowed trust domain ${text}: allow the identities one by one`,
            });
        }
      }
    }
    return { port: name, callers: [...callers.values()] };
  });
  return { ports, cuts };
}
