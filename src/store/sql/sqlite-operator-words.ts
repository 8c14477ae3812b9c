import type { Database } from 'better-sqlite3';
import {
  certificatesFromPem,
  parseCertificate,
  parseTrustDomain,
  type TrustDomain,
} from '../../spiffe/index.ts';
import type { NewEvent } from '../model/event.ts';
import { keyWordRow, offerWordRow } from '../model/history-rows.ts';
import type { AddLink } from './sqlite-chain.ts';
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

interface DistrustRow {
  readonly trust_domain: string;
  readonly key: string;
  readonly key_fingerprint: string;
  readonly since: string;
  readonly until: string | null;
  readonly actor: string;
  readonly reason: string;
}

interface RejectionRow {
  readonly trust_domain: string;
  readonly digest: string;
  readonly since: string;
  readonly actor: string;
  readonly reason: string;
}

/**
 * The operator's word about keys and offers, in SQL. What writes is to be called inside a
 * transaction; `addEvent` puts a line on record.
 */
export function createOperatorWordTables(
  database: Database,
  addEvent: (event: NewEvent) => void,
  addLink: AddLink,
) {
  const selectDistrusted = database.prepare<[], DistrustRow>('SELECT * FROM distrusted_key');
  const selectKeyWords = database.prepare<[], ReturnType<typeof keyWordRow>>(
    'SELECT at, trust_domain, key_fingerprint, word, label, until, actor, reason FROM key_distrust ORDER BY id',
  );
  const insertKeyWord = database.prepare<[ReturnType<typeof keyWordRow>]>(
    `INSERT INTO key_distrust (at, trust_domain, key_fingerprint, word, label, until, actor, reason)
     VALUES ($at, $trust_domain, $key_fingerprint, $word, $label, $until, $actor, $reason)`,
  );
  const selectRejected = database.prepare<{ name: string | null; digest: string | null }, RejectionRow>(
    `SELECT * FROM rejected_offer
     WHERE ($name IS NULL OR trust_domain = $name) AND ($digest IS NULL OR digest = $digest)`,
  );
  const insertOfferWord = database.prepare<[ReturnType<typeof offerWordRow>]>(
    `INSERT INTO offer_rejection (at, trust_domain, digest, word, actor, reason)
     VALUES ($at, $trust_domain, $digest, $word, $actor, $reason)`,
  );
  const selectCertificate = database
    .prepare<[string], string>(
      'SELECT pem FROM authority_key WHERE key_fingerprint = ? AND pem IS NOT NULL LIMIT 1',
    )
    .pluck();
  // A row may have the digest of another encoding of the key, from before keys were named by what
  // they are.
  const nameOf = ({ key_fingerprint: written }: { readonly key_fingerprint: string }): string => {
    const pem = selectCertificate.get(written);
    const [der] = pem === undefined ? [] : certificatesFromPem(pem);
    return der ? parseCertificate(der).keyFingerprint : written;
  };
  const addKeyWord = (row: ReturnType<typeof keyWordRow>) =>
    addLink('key_distrust', insertKeyWord.run(row).lastInsertRowid, row);
  const addOfferWord = (row: ReturnType<typeof offerWordRow>) =>
    addLink('offer_rejection', insertOfferWord.run(row).lastInsertRowid, row);
  const rejected = (name: TrustDomain | null, digest: string | null): RejectedOffer[] =>
    selectRejected.all({ name, digest }).map(rejectionOf);

  return {
    /** Every word about keys that was ever said, in its order. */
    keyWords: (): KeyWord[] => selectKeyWords.all().map((row) => keyWordOf(row, nameOf(row))),
    distrustedKeys: (): DistrustedKey[] => selectDistrusted.all().map((row) => distrustOf(row, nameOf(row))),
    distrust(told: DistrustedKey): void {
      const key = cleanDistrust(told);
      addKeyWord(keyWordRow(key, 'distrusted', key.label));
      addEvent(keyDistrusted(key));
    },
    /** False when it is not distrusted. */
    trustAgain(told: KeyTrustedAgain): boolean {
      const before = selectDistrusted
        .all()
        .find(
          (row) =>
            row.trust_domain === told.trustDomain &&
            [row.key_fingerprint, nameOf(row)].includes(told.keyFingerprint),
        );
      if (!before) return false;
      // By the name that was written, since the two words stand for one key.
      const again = { ...told, ...cleanWord(told), keyFingerprint: before.key_fingerprint };
      addKeyWord(keyWordRow(again, again.word, before.key));
      addEvent(keyTrustedAgain(again, before.key));
      return true;
    },
    rejectedOffers: (trustDomain?: TrustDomain): RejectedOffer[] => rejected(trustDomain ?? null, null),
    rejection: (trustDomain: TrustDomain, digest: string): RejectedOffer | undefined =>
      rejected(trustDomain, digest)[0],
    reject(told: RejectedOffer): void {
      const offer = cleanRejection(told);
      addOfferWord(offerWordRow(offer, 'rejected'));
      addEvent(offerWord(offer, 'offer-rejected'));
    },
    /** False when it is not rejected. */
    reconsider(told: RejectedOffer): boolean {
      const offer = cleanRejection(told);
      if (rejected(offer.trustDomain, offer.digest).length === 0) return false;
      addOfferWord(offerWordRow(offer, 'reconsidered'));
      addEvent(offerWord(offer, 'offer-reconsidered'));
      return true;
    },
  };
}

function keyWordOf(row: ReturnType<typeof keyWordRow>, keyFingerprint: string): KeyWord {
  const { word, label } = row;
  return { ...distrustOf({ ...row, key: label, since: row.at }, keyFingerprint), word, label };
}

function distrustOf(row: DistrustRow, keyFingerprint: string): DistrustedKey {
  return {
    trustDomain: parseTrustDomain(row.trust_domain),
    keyFingerprint,
    label: row.key,
    at: new Date(row.since),
    actor: row.actor,
    reason: row.reason,
    ...(row.until === null ? {} : { until: new Date(row.until) }),
  };
}

function rejectionOf(row: RejectionRow): RejectedOffer {
  const { trust_domain: name, digest, since, actor, reason } = row;
  return { trustDomain: parseTrustDomain(name), digest, at: new Date(since), actor, reason };
}
