import type { TrustDomain } from '../../spiffe/index.ts';
import type { NewEvent } from '../model/event.ts';
import { keyDecisionRow, offerDecisionRow } from '../model/history-rows.ts';
import type { RememberRow } from './memory-chain.ts';
import type { KeyDecision } from '../model/trusted-at.ts';
import {
  cleanDistrust,
  cleanRejection,
  cleanDecision,
  type DistrustedKey,
  keyDistrusted,
  keyTrustedAgain,
  type KeyTrustedAgain,
  offerDecided,
  type RejectedOffer,
} from '../model/operator-decisions.ts';

/**
 * The operator's word about keys and offers, in memory. `addEvent` puts a line on record,
 * `remember` a row into the chain.
 */
export function createOperatorDecisionMaps(addEvent: (event: NewEvent) => void, remember: RememberRow) {
  const keys = new Map<string, DistrustedKey>();
  const said: KeyDecision[] = [];
  const offers = new Map<string, RejectedOffer>();
  const nameOf = (trustDomain: TrustDomain, hex: string) => `${trustDomain} ${hex}`;
  const byTrustDomain = (a: { trustDomain: string }, b: { trustDomain: string }) =>
    a.trustDomain < b.trustDomain ? -1 : a.trustDomain > b.trustDomain ? 1 : 0;

  return {
    keyDecisions: (): readonly KeyDecision[] => said,
    distrustedKeys: (): DistrustedKey[] => [...keys.values()].sort(byTrustDomain),
    distrust(request: DistrustedKey): void {
      const key = cleanDistrust(request);
      const name = nameOf(key.trustDomain, key.keyFingerprint);
      // Said again it is the newest word, as in the tables.
      keys.delete(name);
      keys.set(name, key);
      said.push({ ...key, word: 'distrusted' });
      remember('key_distrust', keyDecisionRow(key, 'distrusted', key.label));
      addEvent(keyDistrusted(key));
    },
    trustAgain(request: KeyTrustedAgain): boolean {
      const name = nameOf(request.trustDomain, request.keyFingerprint);
      const before = keys.get(name);
      if (!before) return false;
      keys.delete(name);
      const again = { ...request, ...cleanDecision(request) };
      said.push({ ...again, label: before.label });
      remember('key_distrust', keyDecisionRow(again, again.word, before.label));
      addEvent(keyTrustedAgain(again, before.label));
      return true;
    },
    rejectedOffers: (trustDomain?: TrustDomain): RejectedOffer[] =>
      [...offers.values()]
        .filter((each) => trustDomain === undefined || each.trustDomain === trustDomain)
        .sort(byTrustDomain),
    rejection: (trustDomain: TrustDomain, digest: string): RejectedOffer | undefined =>
      offers.get(nameOf(trustDomain, digest)),
    reject(request: RejectedOffer): void {
      const offer = cleanRejection(request);
      const name = nameOf(offer.trustDomain, offer.digest);
      offers.delete(name);
      offers.set(name, offer);
      remember('offer_rejection', offerDecisionRow(offer, 'rejected'));
      addEvent(offerDecided(offer, 'offer-rejected'));
    },
    reconsider(request: RejectedOffer): boolean {
      const offer = cleanRejection(request);
      if (!offers.delete(nameOf(offer.trustDomain, offer.digest))) return false;
      remember('offer_rejection', offerDecisionRow(offer, 'reconsidered'));
      addEvent(offerDecided(offer, 'offer-reconsidered'));
      return true;
    },
  };
}
