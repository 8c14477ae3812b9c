import { type Caller, callerText, isCaller, trustDomainOfCaller } from '../access/caller.ts';
import { type AccessPolicy, type AccessRule, portsOf } from '../access/rule.ts';
import type { Refusal } from './compilation.ts';

/** One port, and the callers that may use it. */
export interface PortCallers {
  readonly port: string;
  readonly callers: readonly Caller[];
}

/**
 * For targets without deny rules: who may use each port, after the denied callers were taken out.
 * Looks at no conditions of HTTP, so
 * the deny rules must have none. Refuses a deny rule that would cut one identity out of an
 * allowed trust domain.
 */
export function withoutDenied(
  { service }: AccessPolicy,
  rules: readonly AccessRule[],
): { readonly ports: readonly PortCallers[]; readonly refused: readonly Refusal[] } {
  const refused: Refusal[] = [];
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
            refused.push({
              rule: rule.id,
              element: 'deny',
              message: `${callerText(denied)} cannot be cut out of the allowed trust domain ${text}: allow the identities one by one`,
            });
        }
      }
    }
    return { port: name, callers: [...callers.values()] };
  });
  return { ports, refused };
}

/** Whether `outer` is `inner`, or has it among its identities. */
function covers(outer: Caller, inner: Caller): boolean {
  if (inner.kind === 'identity') return isCaller(outer, inner.id);
  return outer.kind === 'trust-domain' && outer.trustDomain === trustDomainOfCaller(inner);
}
