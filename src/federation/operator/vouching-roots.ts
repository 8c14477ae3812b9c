import type { Clock } from '../../platform/index.ts';
import type { BundleSource, TrustBundle } from '../../spiffe/index.ts';
import type { Store } from '../../store/index.ts';
import { DEFAULT_OVERLAP_LEAD_MS, overlapLeadMs, vouchingKeys } from '../trust/judge-overlap.ts';
import type { ScheduleSettings } from '../fetch/schedule.ts';
import type { TrustedBundles } from '../trust/trusted-bundles.ts';

/** What finding them takes. */
export interface VouchingParts {
  readonly store: Store;
  readonly held: BundleSource;
  readonly trusted: TrustedBundles;
  readonly clock: Clock;
  readonly schedule: ScheduleSettings;
  readonly overlapLeadMs?: number | undefined;
}

/**
 * Gives `reported` with only those roots that count here and were held long enough to vouch for a
 * takeover of the relationship (`vouchingKeys`); undefined where there is none. A root that came
 * with a recent poll may be the attacker's own. Rejects with `StoreError`.
 */
export async function vouchingRoots(
  parts: VouchingParts,
  reported: TrustBundle,
): Promise<TrustBundle | undefined> {
  const { store, held, trusted, clock, schedule, overlapLeadMs: leadMs = DEFAULT_OVERLAP_LEAD_MS } = parts;
  const { trustDomain, x509Authorities } = reported;
  const counting = trusted.bundleFor(trustDomain);
  if (!counting) return undefined;
  const { keys } = await store.priorTrust(trustDomain);
  const vouching = vouchingKeys(keys, counting, {
    leadMs: overlapLeadMs(leadMs, held.bundleFor(trustDomain)?.refreshHintSeconds, schedule),
    now: clock.now(),
    held: counting,
    distrusted: new Set(trusted.distrustedKeys(trustDomain)),
  });
  const names = new Set(vouching.flatMap(({ kind, key }) => (kind === 'x509' ? [key] : [])));
  const shared = x509Authorities.filter(({ keyFingerprint }) => names.has(keyFingerprint));
  return shared.length === 0 ? undefined : { ...reported, x509Authorities: shared };
}
