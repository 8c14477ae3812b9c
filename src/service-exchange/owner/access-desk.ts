import { didYouMean } from '../../platform/index.ts';
import {
  type AccessPolicy,
  type AccessRequest,
  type AccessRule,
  type AccessVerdict,
  callerText,
  checkRule,
  judgeAccess,
  type OwnService,
  parseServiceId,
  readRule,
  type RuleDocument,
  trustDomainOfCaller,
  writeRule,
} from '../../services/index.ts';
import { trustDomainOf } from '../../spiffe/index.ts';
import { ruleEvent } from './declared-entries.ts';
import { ExportError } from './errors.ts';
import { checkActor, type DeskParts, quoted } from './export-desk.ts';
import { enforcedPolicy, fittingRules, type KeptRule } from './policies.ts';

/** Most rules of one service. */
const MAX_RULES = 200;

/** What our rules say about a call. */
export type AccessAnswer =
  | AccessVerdict
  /** No rule counts for a caller of a peer that does not see the service. */
  | { readonly allowed: false; readonly code: 'not-exported' };

/** The operator's decisions about who may call our services. */
export class AccessDesk {
  readonly #parts: DeskParts;

  constructor(parts: DeskParts) {
    this.#parts = parts;
  }

  /**
   * Adds a rule. The same rule again changes nothing. Without an ID the rule gets `rule-` and the
   * next free number. Rejects with `AccessError`, `ExportError`, `ServiceError`, `StoreError`.
   */
  async add(
    request: { readonly service: string; readonly id?: string; readonly rule: RuleDocument },
    actor: string,
  ): Promise<KeptRule> {
    const id = parseServiceId(request.service);
    const { owner, readMesh } = this.#parts;
    if (!owner.book.services.find(id)) await readMesh();
    return owner.change(async () => {
      const service = this.#find(id);
      const kept = owner.book.rulesOf(id);
      const document = JSON.stringify(writeRule(readRule('new', request.rule)));
      const same = kept.find(
        ({ rule }) =>
          JSON.stringify(writeRule(rule)) === document &&
          (request.id === undefined || request.id === rule.id),
      );
      if (same) return same;
      const rule = readRule(request.id ?? nextId(kept), request.rule);
      checkRule(rule, service);
      this.#checkCallers(rule);
      if (kept.some((each) => each.rule.id === rule.id))
        throw new ExportError('rule-id-taken', `${id} has another rule ${quoted(rule.id)}: revoke it first`);
      if (kept.length >= MAX_RULES)
        throw new ExportError(
          'rules-many',
          `${id} has ${kept.length} rules, and a service has at most ${MAX_RULES}`,
        );
      return this.#put(id, rule, actor);
    });
  }

  /** Takes a rule away. Rejects with `ExportError`, `StoreError`. */
  revoke(service: string, ruleId: string, actor: string): Promise<KeptRule> {
    const { owner, store, clock } = this.#parts;
    return owner.change(async () => {
      const all = owner.book.rulesOf(service);
      const kept = all.find(({ rule }) => rule.id === ruleId);
      if (!kept) {
        const ids = all.map(({ rule }) => rule.id);
        throw new ExportError(
          'rule-unknown',
          `${quoted(service)} has no rule ${quoted(ruleId)}${didYouMean(ruleId, ids)}`,
        );
      }
      checkActor(kept.actor, `the rule ${ruleId} of ${service}`);
      const message = `${summaryOf(service, kept.rule)} no longer counts`;
      const at = clock.now();
      await store.removeAccessRule(
        service,
        ruleId,
        ruleEvent('access-revoked', { at, service, ruleId, actor, message }),
      );
      await owner.book.refresh();
      return kept;
    });
  }

  /** The rules of a service that count, as they were made. Throws `ExportError` `service-unknown`. */
  policyOf(id: string): AccessPolicy {
    const service = this.#find(id);
    const rules = this.#parts.owner.book.rulesOf(id).map(({ rule }) => rule);
    return { service, rules: fittingRules(service, rules).rules };
  }

  /** What the rules say about a call, as the mesh is to enforce them. Throws `ExportError`. */
  check(id: string, request: AccessRequest): AccessAnswer {
    const { service, rules } = this.policyOf(id);
    const own = this.#parts.own();
    if (own === undefined)
      throw new ExportError('own-bundle-unknown', 'our own mesh has not reported its roots yet');
    const consumers = this.#parts.owner.book.consumersOf(id);
    const caller = trustDomainOf(request.caller);
    if (caller !== own && !consumers.includes(caller)) return { allowed: false, code: 'not-exported' };
    return judgeAccess(enforcedPolicy(service, rules, { own, consumers }), request);
  }

  async #put(service: string, rule: AccessRule, actor: string): Promise<KeptRule> {
    const { owner, store, clock } = this.#parts;
    const at = clock.now();
    const kind = rule.effect === 'allow' ? 'access-allowed' : 'access-denied';
    await store.putAccessRule(
      { service, ruleId: rule.id, document: JSON.stringify(writeRule(rule)), since: at, actor },
      ruleEvent(kind, { at, service, ruleId: rule.id, actor, message: summaryOf(service, rule) }),
    );
    await owner.book.refresh();
    return { rule, since: at, actor };
  }

  #find(id: string): OwnService {
    const { services } = this.#parts.owner.book;
    const service = services.find(id);
    if (service) return service;
    const known = services.list().map((each) => String(each.id));
    throw new ExportError('service-unknown', `the mesh has no service ${quoted(id)}${didYouMean(id, known)}`);
  }

  /** A rule about a trust domain that we know nothing of is a mistake in its name. */
  #checkCallers({ callers }: AccessRule): void {
    const known = [this.#parts.own(), ...this.#parts.peers()].flatMap((each) => each ?? []);
    const unknown = callers.map(trustDomainOfCaller).find((each) => !known.includes(each));
    if (unknown !== undefined)
      throw new ExportError(
        'peer-unknown',
        `there is no relationship with ${unknown}, so none of its callers can prove who they are${didYouMean(unknown, known)}`,
      );
  }
}

function nextId(kept: readonly KeptRule[]): string {
  const taken = new Set(kept.map(({ rule }) => rule.id));
  let number = 1;
  while (taken.has(`rule-${number}`)) number += 1;
  return `rule-${number}`;
}

/** A rule in one line. */
function summaryOf(service: string, { id, effect, callers }: AccessRule): string {
  const who = callers.slice(0, 3).map(callerText).join(', ');
  const more = callers.length > 3 ? ` and ${callers.length - 3} more` : '';
  return `the rule ${id} ${effect === 'allow' ? 'lets' : 'keeps'} ${who}${more} ${effect === 'allow' ? 'call' : 'from calling'} ${service}`;
}
