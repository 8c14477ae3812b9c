import { defined } from '../../objects/index.ts';
import { describeError } from '../../platform/index.ts';
import { BundleError, type BundleSource, parseBundle } from '../../spiffe/index.ts';
import type { Relationship } from '../../store/index.ts';
import type { ChangeBudget } from './change-budget.ts';
import { FetchError, type FetchTrace } from '../fetch/errors.ts';
import { recordFetch } from '../fetch/fetch-record.ts';
import type { EndpointClient } from './endpoint-client.ts';
import { failedPoll, type Refreshed, type RememberedTag } from './refresh-outcome.ts';
import type { Reach } from '../fetch/reach.ts';
import type { LeftOutEntries } from '../trust/left-out-entries.ts';
import type { CarriedBundles } from '../signed-bundle/carried-bundles.ts';
import { missingEndpointTrust } from '../fetch/serving.ts';
import { fetchedDocument } from '../signed-bundle/fetched-document.ts';
import { SignedBundleError } from '../signed-bundle/signed-bundle.ts';
import { type Offer, type OperatorOverride, settleOffer, type SettleParts } from './settle-offer.ts';

/** What a poll takes. */
export interface RefreshParts extends SettleParts, Pick<Reach, 'log' | 'fetchLimits' | 'bundleLimits'> {
  readonly client: EndpointClient;
  /**
   * The bundles that endpoints are verified with: the held ones, without distrusted keys, and our
   * own.
   */
  readonly endpointBundles: BundleSource;
  /** Signed bundles that were accepted, to be carried on. */
  readonly carried: CarriedBundles;
  /** Which entries of the peers' latest documents are not used. */
  readonly leftOut: LeftOutEntries;
}

/** What one poll takes besides the relationship. */
export interface PollOptions {
  readonly tag?: RememberedTag | undefined;
  readonly override?: OperatorOverride | undefined;
  readonly budget?: ChangeBudget | undefined;
  readonly signal: AbortSignal;
}

/**
 * One poll of one peer: fetch → parse → judge → store in one transaction → memory → listeners.
 * Whatever goes wrong on the way leaves the last good bundle (invariant 2). Leaves one log
 * record. Rejects with `StoreError` only.
 */
export async function refreshOnce(
  parts: RefreshParts,
  relationship: Relationship,
  options: PollOptions,
): Promise<Refreshed> {
  const { held, clock, log } = parts;
  const { trustDomain, endpointUrl, profile } = relationship;
  let trace: FetchTrace | undefined;
  let offer: Pick<Offer, 'bundle' | 'notes'> | undefined;
  const record = (refreshed: Refreshed, error?: unknown): Refreshed => {
    const { outcome, reason } = refreshed;
    const found = { trustDomain, endpointUrl, profile, trace, error, offer, outcome };
    recordFetch(log, { ...found, warning: reason?.code });
    return refreshed;
  };

  const missing = missingEndpointTrust(profile, parts.endpointBundles, clock.now());
  if (missing !== undefined) {
    return record(failedPoll('endpoint-bundle-missing', missing, 'endpoint-unreachable'));
  }
  const { tag } = options;
  const current = tag?.bundle === held.bundleFor(trustDomain) ? tag : undefined;
  const known = current?.expiresAt !== undefined && current.expiresAt <= clock.now() ? undefined : current;
  try {
    const fetched = await parts.client.fetch(relationship, {
      etag: known?.etag,
      signal: options.signal,
    });
    trace = fetched.trace;
    if (fetched.kind === 'not-modified') {
      offer = known && { bundle: known.bundle, notes: [] };
      return record({ outcome: { kind: 'unchanged' }, ...defined({ tag: known }) });
    }
    const opened = await fetchedDocument(fetched, {
      trustDomain,
      profile,
      bundles: parts.endpointBundles,
      now: clock.now(),
      maxDocumentBytes: parts.fetchLimits.maxBodyBytes,
    });
    const { signed } = opened;
    trace = opened.trace;
    offer = parseBundle(trustDomain, opened.document, parts.bundleLimits);
    const settled = await settleOffer(parts, relationship, { ...offer, trace, ...options });
    const { kind } = settled.outcome;
    const bundle = held.bundleFor(trustDomain);
    // What an operator should look at is read again at each poll.
    const isPlain = settled.incident === undefined && bundle !== undefined;
    const same = isPlain && (kind === 'unchanged' || kind === 'accepted');
    if (bundle && (kind === 'unchanged' || kind === 'accepted'))
      parts.leftOut.note(trustDomain, offer.notes, clock.now());
    if (same && signed) parts.carried.carry(trustDomain, signed);
    if (!same || fetched.etag === undefined) return record({ ...settled, offered: offer.bundle });
    const expires = signed ? { expiresAt: signed.expiresAt } : {};
    return record({ ...settled, offered: offer.bundle, tag: { etag: fetched.etag, bundle, ...expires } });
  } catch (error) {
    if (error instanceof FetchError) {
      trace = error.trace;
      return error.code === 'called-off'
        ? record({ outcome: { kind: 'called-off' } })
        : record(failedPoll(error.code, error.message, 'endpoint-unreachable'), error);
    }
    if (error instanceof BundleError || error instanceof SignedBundleError)
      return record(failedPoll(error.code, error.message, 'bundle-refused'), error);
    const { code = 'unexpected', message } = describeError(error);
    record({ outcome: { kind: 'failed', code, message } }, error);
    throw error;
  }
}
