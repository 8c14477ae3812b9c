import type { RefreshDocument } from '../../admin-client/index.ts';
import type { RefreshOutcome } from '../../federation/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';

/** What a poll led to, as the admin API tells it. */
export function describeOutcome(trustDomain: TrustDomain, outcome: RefreshOutcome): RefreshDocument {
  const why =
    'code' in outcome ? { code: outcome.code, message: outcome.message } : { code: null, message: null };
  if (outcome.kind === 'called-off') {
    return {
      trust_domain: trustDomain,
      outcome: 'called-off',
      code: 'called-off',
      message: 'the relationship ended or the agent stops',
    };
  }
  return { trust_domain: trustDomain, outcome: outcome.kind, ...why };
}
