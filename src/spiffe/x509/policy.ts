import type { Certificate } from './certificate.ts';
import { ANY_POLICY, type PolicyExtensions } from './policy-extensions.ts';

/** The inputs of RFC 5280 §6.1.1 (c) and (e) to (g); by default any policy will do. */
export interface PolicySettings {
  /** The policies of which one must be valid; by default any. */
  readonly acceptedPolicies?: ReadonlySet<string>;
  readonly requireExplicitPolicy?: boolean;
  readonly inhibitPolicyMapping?: boolean;
  readonly inhibitAnyPolicy?: boolean;
}

/** Which certificate broke the policies, by its place from the anchor downwards, and why. */
export interface PolicyProblem {
  readonly index: number;
  readonly message: string;
}

/**
 * A policy that is valid at one depth, its possible names in the next certificate, and its origin.
 */
interface PolicyNode {
  readonly policy: string;
  expected: ReadonlySet<string>;
  readonly parents: readonly PolicyNode[];
}

/** The policies valid at one depth. */
type Level = Map<string, PolicyNode>;

/**
 * Judges the certificate policies of a path, given without its anchor, topmost certificate first.
 * It is RFC 5280 §6.1 with the policy graph of RFC 9618 §5 instead of the tree, which a hostile CA
 * can make grow without bound.
 */
export function judgePolicies(
  path: readonly Certificate[],
  settings: PolicySettings = {},
): PolicyProblem | undefined {
  const isSilent = path.every(({ extensions }) => extensions.policies === undefined);
  if (isSilent && !settings.requireExplicitPolicy) return undefined;
  const length = path.length;
  let explicitPolicy = settings.requireExplicitPolicy ? 0 : length + 1;
  let policyMapping = settings.inhibitPolicyMapping ? 0 : length + 1;
  let inhibitAny = settings.inhibitAnyPolicy ? 0 : length + 1;
  // Undefined is the NULL graph: no policy is valid any more.
  let level: Level | undefined = new Map([
    [ANY_POLICY, { policy: ANY_POLICY, expected: new Set([ANY_POLICY]), parents: [] }],
  ]);

  for (const [index, certificate] of path.entries()) {
    const { isSelfIssued } = certificate;
    const stated: PolicyExtensions = certificate.extensions.policies ?? {};
    const isLast = index === length - 1;
    const anyCounts = inhibitAny > 0 || (!isLast && isSelfIssued);
    level = level && stated.policies && nextLevel(level, stated.policies, anyCounts);
    if (explicitPolicy === 0 && !level)
      return { index, message: 'an explicit certificate policy is required' };
    if (isLast) {
      explicitPolicy = stated.requireExplicitPolicy === 0 ? 0 : Math.max(0, explicitPolicy - 1);
      break;
    }
    if (stated.mappings) {
      if (stated.mappings.flat().includes(ANY_POLICY)) {
        return { index, message: 'anyPolicy cannot be mapped' };
      }
      if (level) map(level, stated.mappings, policyMapping > 0);
    }
    if (!isSelfIssued) {
      explicitPolicy = Math.max(0, explicitPolicy - 1);
      policyMapping = Math.max(0, policyMapping - 1);
      inhibitAny = Math.max(0, inhibitAny - 1);
    }
    explicitPolicy = Math.min(explicitPolicy, stated.requireExplicitPolicy ?? explicitPolicy);
    policyMapping = Math.min(policyMapping, stated.inhibitPolicyMapping ?? policyMapping);
    inhibitAny = Math.min(inhibitAny, stated.inhibitAnyPolicy ?? inhibitAny);
  }
  if (explicitPolicy > 0 || (level && isAccepted(level, settings.acceptedPolicies))) return undefined;
  return { index: length - 1, message: 'no certificate policy that is asked for holds on the whole path' };
}

/** RFC 5280 §6.1.3 (d), RFC 9618 §5.3. */
function nextLevel(above: Level, policies: ReadonlySet<string>, anyCounts: boolean): Level | undefined {
  const level: Level = new Map();
  const add = (policy: string, parents: readonly PolicyNode[]) =>
    level.set(policy, { policy, expected: new Set([policy]), parents });
  const expecting = new Map<string, PolicyNode[]>();
  for (const node of above.values()) {
    for (const policy of node.expected) expecting.set(policy, [...(expecting.get(policy) ?? []), node]);
  }
  const any = above.get(ANY_POLICY);
  for (const policy of policies) {
    if (policy === ANY_POLICY) continue;
    const parents = expecting.get(policy) ?? (any ? [any] : []);
    if (parents.length > 0) add(policy, parents);
  }
  if (policies.has(ANY_POLICY) && anyCounts) {
    for (const [policy, parents] of expecting) add(policy, parents);
  }
  return level.size > 0 ? level : undefined;
}

/** Changes what a level expects of the next one (RFC 5280 §6.1.4 (b)). */
function map(level: Level, mappings: readonly (readonly [string, string])[], isAllowed: boolean): void {
  const subjects = new Map<string, Set<string>>();
  for (const [issuerPolicy, subjectPolicy] of mappings) {
    subjects.set(issuerPolicy, (subjects.get(issuerPolicy) ?? new Set()).add(subjectPolicy));
  }
  const any = level.get(ANY_POLICY);
  for (const [policy, expected] of subjects) {
    const node = level.get(policy);
    if (!isAllowed) level.delete(policy);
    else if (node) node.expected = expected;
    else if (any) level.set(policy, { policy, expected, parents: any.parents });
  }
}

/**
 * RFC 5280 §6.1.5 (g): whether some required policy, by the anchor's name for it, reaches the last
 * certificate.
 */
function isAccepted(last: Level, accepted: ReadonlySet<string> | undefined): boolean {
  if (!accepted || accepted.has(ANY_POLICY) || last.has(ANY_POLICY)) return true;
  const seen = new Set<PolicyNode>();
  const waiting = [...last.values()];
  for (let node = waiting.pop(); node; node = waiting.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    const isRooted = node.parents.some(({ policy }) => policy === ANY_POLICY);
    if (isRooted && accepted.has(node.policy)) return true;
    waiting.push(...node.parents);
  }
  return false;
}
