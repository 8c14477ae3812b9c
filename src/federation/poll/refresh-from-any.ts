import type { Relationship } from '../../store/index.ts';
import type { EndpointUrls } from '../fetch/endpoint-urls.ts';
import { type PollOptions, refreshOnce, type RefreshParts } from './refresh.ts';
import type { Refreshed } from './refresh-outcome.ts';

/** What a poll of one of the addresses led to, and which that was. */
export interface RefreshedFrom extends Refreshed {
  readonly endpointUrl: string;
}

/**
 * Polls a peer that may have several addresses, each authenticated in the same way and judged
 * against the same held bundle. Tries the next address where one gives no bundle, or one that is
 * kept out for good. An offer that waits for the operator ends the poll, so that no other address
 * can hide it. Each address costs its own time limit at most. Rejects with `StoreError` only.
 */
export async function refreshFromAny(
  parts: RefreshParts,
  relationship: Relationship,
  urls: EndpointUrls,
  options: PollOptions,
): Promise<RefreshedFrom> {
  const failures: RefreshedFrom[] = [];
  for (const endpointUrl of urls.inOrder(relationship)) {
    const refreshed = await refreshOnce(parts, { ...relationship, endpointUrl }, options);
    const { outcome } = refreshed;
    if (outcome.kind === 'called-off') return { ...refreshed, endpointUrl };
    if (outcome.kind !== 'failed' && outcome.kind !== 'refused') {
      urls.answered(endpointUrl, relationship);
      return { ...refreshed, endpointUrl };
    }
    urls.failed(endpointUrl, outcome.code, outcome.message);
    failures.push({ ...refreshed, endpointUrl });
    // No address of it can be verified then.
    if (outcome.code === 'endpoint-bundle-missing') break;
  }
  return summary(failures);
}

/**
 * The most useful failure: an offer that is kept out, before an address that gave none. The others
 * are named.
 */
function summary(failures: readonly RefreshedFrom[]): RefreshedFrom {
  const chosen = failures.find(({ outcome }) => outcome.kind === 'refused') ?? failures[0];
  if (!chosen || !('code' in chosen.outcome))
    throw new TypeError('unreachable: every relationship has an address');
  const others = failures.filter((each) => each !== chosen);
  if (others.length === 0) return chosen;
  const reasons = others.map(
    ({ endpointUrl, outcome }) => `${endpointUrl} [${'code' in outcome ? outcome.code : outcome.kind}]`,
  );
  const message = `${chosen.outcome.message} (${chosen.endpointUrl}); nor did ${reasons.join(', ')}`;
  return { ...chosen, outcome: { ...chosen.outcome, message } };
}
