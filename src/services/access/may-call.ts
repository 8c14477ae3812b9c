import type { TrustDomain } from '../../spiffe/index.ts';
import { type Caller, callerText, covers, trustDomainOfCaller } from './caller.ts';
import { type AccessPolicy, type AccessRule, portsOf } from './rule.ts';

/**
 * The callers of a trust domain that a policy lets in, on some port and with some request, by their
 * text. A caller that a deny rule without conditions covers on all its ports is not one of them. One
 * that another caller of the list covers is left out.
 */
export function mayCall(policy: AccessPolicy, of: TrustDomain): readonly Caller[] {
  const callers = new Map<string, Caller>();
  for (const rule of policy.rules) {
    if (rule.effect !== 'allow') continue;
    for (const caller of rule.callers)
      if (trustDomainOfCaller(caller) === of && isLetIn(caller, rule, policy))
        callers.set(callerText(caller), caller);
  }
  const all = [...callers.values()];
  return all.filter((caller) => !all.some((other) => other !== caller && covers(other, caller)));
}

/** Whether there is a port of the allow rule on which no deny rule refuses the caller as a whole. */
function isLetIn(caller: Caller, rule: AccessRule, { service, rules }: AccessPolicy): boolean {
  return portsOf(rule, service).some(
    ({ name }) =>
      !rules.some(
        ({ effect, http, ports, callers }) =>
          effect === 'deny' &&
          http === undefined &&
          (ports === undefined || ports.includes(name)) &&
          callers.some((denied) => covers(denied, caller)),
      ),
  );
}
