import type { Certificate } from './x509-certificate.ts';

/** The inputs of RFC 5280 §6.1.1 (c) to (g); by default any policy will do. */
export interface PolicySettings {
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

/** Judges the certificate policies of a path without its anchor, topmost certificate first (RFC 5280 §6.1). */
export function judgePolicies(
  path: readonly Certificate[],
  settings: PolicySettings | undefined,
): PolicyProblem | undefined {
  const index = path.findIndex(
    (certificate) => certificate.extensions.policies?.requireExplicitPolicy !== undefined,
  );
  if (index === -1 && !settings?.requireExplicitPolicy) return undefined;
  return { index: Math.max(index, 0), message: 'an explicit certificate policy is required' };
}
