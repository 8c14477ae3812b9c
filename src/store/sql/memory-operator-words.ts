import type { TrustDomain } from '../../spiffe/index.ts';
import type { NewEvent } from '../model/event.ts';
import { keyWordRow, offerWordRow } from '../model/history-rows.ts';
import type { RememberRow } from './memory-chain.ts';
import type { KeyWord } from '../model/trusted-at.ts';
import {
  cleanDistrust,
  cleanRejection,
  cleanWord,
  type DistrustedKey,
  keyDistrusted,
  keyTrustedAgain,
  type KeyTrustedAgain,
  offerWord,
  type RejectedOffer,
} from '../model/operator-words.ts';

/**
 * The operator's word about keys and offers, in memory. `addEvent` puts a line on record,
 * `remember` a row into the chain.
 */
export function createOperatorWordMaps(addEvent: (event: NewEvent) => void, remember: RememberRow) {
  const keys = new Map<string, DistrustedKey>();
  const said: KeyWord[] = [];
  const offers = new Map<string, RejectedOffer>();
  const nameOf = (trustDomain: TrustDomain, hex: string) => `${trustDomain} ${hex}`;
  const byTrustDomain = (a: { trustDomain: string }, b: { trustDomain: string }) =>
    a.trustDomain < b.trustDomain ? -1 : a.trustDomain > b.trustDomain ? 1 : 0;

  return {
    keyWords: (): readonly KeyWord[] => said,
    distrustedKeys: (): DistrustedKey[] => [...keys.values()].sort(byTrustDomain),
    distrust(told: DistrustedKey): void {
      const key = cleanDistrust(told);
      const name = nameOf(key.trustDomain, key.keyFingerprint);
      // Said again it is the newest word, as in the tables.
      keys.delete(name);
      keys.set(name, key);
      said.push({ ...key, word: 'distrusted' });
      remember('key_distrust', keyWordRow(key, 'distrusted', key.label));
      addEvent(keyDistrusted(key));
    },
    trustAgain(told: KeyTrustedAgain): boolean {
      const name = nameOf(told.trustDomain, told.keyFingerprint);
      const before = keys.get(name);
      if (!before) return false;
      keys.delete(name);
      const again = { ...told, ...cleanWord(told) };
      said.push({ ...again, label: before.label });
      remember('key_distrust', keyWordRow(again, again.word, before.label));
      addEvent(keyTrustedAgain(again, before.label));
      return true;
    },
    rejectedOffers: (trustDomain?: TrustDomain): RejectedOffer[] =>
      [...offers.values()]
        .filter((each) => trustDomain === undefined || each.trustDomain === trustDomain)
        .sort(byTrustDomain),
    rejection: (trustDomain: TrustDomain, digest: string): RejectedOffer | undefined =>
      offers.get(nameOf(trustDomain, digest)),
    reject(told: RejectedOffer): void {
      const offer = cleanRejection(told);
      const name = nameOf(offer.trustDomain, offer.digest);
      offers.delete(name);
      offers.set(name, offer);
      remember('offer_rejection', offerWordRow(offer, 'rejected'));
      addEvent(offerWord(offer, 'offer-rejected'));
    },
    reconsider(told: RejectedOffer): boolean {
      const offer = cleanRejection(told);
      if (!offers.delete(nameOf(offer.trustDomain, offer.digest))) return false;
      remember('offer_rejection', offerWordRow(offer, 'reconsidered'));
      addEvent(offerWord(offer, 'offer-reconsidered'));
      return true;
    },
  };
}
