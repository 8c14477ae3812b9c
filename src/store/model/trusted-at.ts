import type { TrustDomain } from '../../spiffe/index.ts';
import type { BundleVersion } from './bundle-version.ts';
import type { DistrustedKey, KeyTrustedAgain } from './operator-decisions.ts';

/** What was trusted of one trust domain at an instant. */
export interface TrustedAt {
  readonly version: BundleVersion;
  /** Keys of that trust domain that were distrusted then, whatever the bundle contains. */
  readonly distrusted: readonly DistrustedKey[];
}

/** One decision about a key, in the order in which they were made. */
export interface KeyDecision extends DistrustedKey {
  readonly decision: 'distrusted' | KeyTrustedAgain['decision'];
}

/** Computes what was trusted at `instant`, by trust domain. */
export function trustedAt(
  instant: Date,
  names: readonly TrustDomain[],
  versionOf: (trustDomain: TrustDomain) => BundleVersion | undefined,
  decisions: readonly KeyDecision[],
): TrustedAt[] {
  const distrusted = distrustedAt(instant, decisions);
  return names
    .toSorted((a, b) => (a < b ? -1 : 1))
    .flatMap((name) => versionOf(name) ?? [])
    .map((version) => ({
      version,
      distrusted: distrusted.filter(({ trustDomain }) => trustDomain === version.trustDomain),
    }));
}

function distrustedAt(instant: Date, decisions: readonly KeyDecision[]): DistrustedKey[] {
  const newest = new Map<string, KeyDecision>();
  for (const decision of decisions)
    if (decision.at <= instant) newest.set(`${decision.trustDomain} ${decision.keyFingerprint}`, decision);
  return [...newest.values()].filter(
    ({ decision, until }) => decision === 'distrusted' && (until === undefined || until > instant),
  );
}
