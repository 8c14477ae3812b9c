import { messageOf } from '../../errors/index.ts';
import {
  type AccessPolicy,
  type AccessRule,
  type Caller,
  checkRule,
  readRule,
  type Service,
  trustDomainOfCaller,
} from '../../services/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import type { StoredAccessRule } from '../../store/index.ts';

/** A rule as it is stored, read. */
export interface KeptRule {
  readonly rule: AccessRule;
  readonly since: Date;
  readonly actor: string;
}

/** The rules of each service, by its ID. Throws where a row was changed by other means. */
export function rulesByService(
  stored: readonly StoredAccessRule[],
): ReadonlyMap<string, readonly KeptRule[]> {
  const kept = stored.map(({ service, ruleId, document, since, actor }) => ({
    service,
    rule: readRule(ruleId, JSON.parse(document)),
    since,
    actor,
  }));
  return Map.groupBy(kept, ({ service }) => service);
}

/** A rule that does not fit its service as it is now. */
export interface UnfitRule {
  readonly id: string;
  readonly message: string;
}

/**
 * The rules of a service that count, and those that do not fit it, because its ports are others than
 * when the rule was made. An allow rule that does not fit is left out. A deny rule that does not fit
 * takes every allow rule with it, because without it the policy would be wider.
 */
export function fittingRules(
  service: Service,
  rules: readonly AccessRule[],
): { readonly rules: readonly AccessRule[]; readonly unfit: readonly UnfitRule[] } {
  const judged = rules.map((rule) => {
    try {
      checkRule(rule, service);
      return { rule, message: undefined };
    } catch (error) {
      return { rule, message: messageOf(error) };
    }
  });
  const unfit = judged.flatMap(({ rule, message }) =>
    message === undefined ? [] : [{ id: rule.id, message }],
  );
  const fitting = judged.flatMap(({ rule, message }) => (message === undefined ? [rule] : []));
  const isWider = judged.some(({ rule, message }) => rule.effect === 'deny' && message !== undefined);
  return { rules: isWider ? fitting.filter(({ effect }) => effect === 'deny') : fitting, unfit };
}

/**
 * The policy that the mesh enforces: a foreign caller counts only while the service is exported to
 * its trust domain. Because every peer reaches our gateway, a rule alone must not open the service to
 * a caller that guesses its SNI. Callers of our own trust domain need no export.
 */
export function enforcedPolicy(
  service: Service,
  rules: readonly AccessRule[],
  reach: { readonly own: TrustDomain; readonly consumers: readonly TrustDomain[] },
): AccessPolicy {
  const counts = (caller: Caller) => {
    const trustDomain = trustDomainOfCaller(caller);
    return trustDomain === reach.own || reach.consumers.includes(trustDomain);
  };
  return {
    service,
    rules: rules.flatMap((rule) => {
      if (rule.effect === 'deny') return [rule];
      const callers = rule.callers.filter(counts);
      return callers.length === 0 ? [] : [{ ...rule, callers }];
    }),
  };
}
