import { AccessError } from './errors.ts';
import type { Caller } from './caller.ts';
import type { HttpCondition } from './http-condition.ts';
import type { Service, ServicePort } from '../service/service.ts';

/** Who may call a service, or may not. Nothing is allowed without a rule, and a deny rule wins. */
export interface AccessRule {
  /** Unique among the rules of the service. Operators and logs name the rule by it. */
  readonly id: string;
  readonly effect: 'allow' | 'deny';
  /** At least one. */
  readonly callers: readonly Caller[];
  /** Names of ports; left out: all. */
  readonly ports?: readonly string[];
  readonly http?: HttpCondition;
}

/** All rules about one service. */
export interface AccessPolicy {
  readonly service: Service;
  readonly rules: readonly AccessRule[];
}

const MAX_CALLERS = 100;
const MAX_CONDITIONS = 50;

/** The ports that a rule is about. */
export function portsOf({ ports }: AccessRule, service: Service): readonly ServicePort[] {
  return ports === undefined ? service.ports : service.ports.filter(({ name }) => ports.includes(name));
}

/**
 * Checks a rule against its service. Throws `AccessError`: `rule-invalid`, `port-unknown`,
 * `http-condition-on-tcp`.
 */
export function checkRule(rule: AccessRule, service: Service): void {
  const { callers, ports, http } = rule;
  if (callers.length === 0 || callers.length > MAX_CALLERS)
    throw new AccessError('rule-invalid', `a rule names 1 to ${MAX_CALLERS} callers, not ${callers.length}`);
  for (const list of [ports, http?.methods, http?.paths, http?.headers]) {
    if (list !== undefined && (list.length === 0 || list.length > MAX_CONDITIONS))
      throw new AccessError(
        'rule-invalid',
        `each list of a rule has 1 to ${MAX_CONDITIONS} entries, not ${list.length}`,
      );
  }
  const unknown = ports?.find((name) => !service.ports.some((port) => port.name === name));
  if (unknown !== undefined) {
    const known = service.ports.map(({ name }) => name).join(', ');
    throw new AccessError(
      'port-unknown',
      `${service.id} has the ports ${known}, and none with the name ${JSON.stringify(unknown.slice(0, 64))}`,
    );
  }
  const tcp =
    http === undefined ? undefined : portsOf(rule, service).find(({ protocol }) => protocol === 'tcp');
  if (tcp) {
    throw new AccessError(
      'http-condition-on-tcp',
      `the port ${tcp.name} of ${service.id} speaks tcp, which has no methods, paths and headers: name the HTTP ports in the rule`,
    );
  }
}
