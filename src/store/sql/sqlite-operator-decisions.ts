import type { Database } from 'better-sqlite3';
import { defined, given } from '../../objects/index.ts';
import {
  certificatesFromPem,
  parseCertificate,
  parseTrustDomain,
  type TrustDomain,
} from '../../spiffe/index.ts';
import type { NewEvent } from '../model/event.ts';
import { keyDecisionRow, offerDecisionRow } from '../model/history-rows.ts';
import type { AddLink } from './sqlite-chain.ts';
import { dateFrom } from './stored-instant.ts';
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
 * The operator's decisions about keys and offers, in SQL. Call writing methods inside a
 * transaction. `addEvent` adds an event.
 */
export function createOperatorDecisionTables(
  database: Database,
  addEvent: (event: NewEvent) => void,
  addLink: AddLink,
) {
  const selectDistrusted = database.prepare<[], DistrustRow>('SELECT * FROM distrusted_key');
  const selectKeyDecisions = database.prepare<[], ReturnType<typeof keyDecisionRow>>(
    'SELECT at, trust_domain, key_fingerprint, word, label, until, actor, reason FROM key_distrust ORDER BY id',
  );
  const insertKeyDecision = database.prepare<[ReturnType<typeof keyDecisionRow>]>(
    `INSERT INTO key_distrust (at, trust_domain, key_fingerprint, word, label, until, actor, reason)
     VALUES ($at, $trust_domain, $key_fingerprint, $word, $label, $until, $actor, $reason)`,
  );
  const selectRejected = database.prepare<{ name: string | null; digest: string | null }, RejectionRow>(
    `SELECT * FROM rejected_offer
     WHERE ($name IS NULL OR trust_domain = $name) AND ($digest IS NULL OR digest = $digest)`,
  );
  const insertOfferDecision = database.prepare<[ReturnType<typeof offerDecisionRow>]>(
    `INSERT INTO offer_rejection (at, trust_domain, digest, word, actor, reason)
     VALUES ($at, $trust_domain, $digest, $word, $actor, $reason)`,
  );
  const selectCertificate = database
    .prepare<[string], string>(
      'SELECT pem FROM authority_key WHERE key_fingerprint = ? AND pem IS NOT NULL LIMIT 1',
    )
    .pluck();
  // Older versions of Federate may have stored the digest of another encoding of the key.
  const nameOf = ({ key_fingerprint: written }: { readonly key_fingerprint: string }): string => {
    const pem = selectCertificate.get(written);
    const [der] = pem === undefined ? [] : certificatesFromPem(pem);
    return der ? parseCertificate(der).keyFingerprint : written;
  };
  const addKeyDecision = (row: ReturnType<typeof keyDecisionRow>) =>
    addLink('key_distrust', insertKeyDecision.run(row).lastInsertRowid, row);
  const addOfferDecision = (row: ReturnType<typeof offerDecisionRow>) =>
    addLink('offer_rejection', insertOfferDecision.run(row).lastInsertRowid, row);
  const rejected = (name: TrustDomain | null, digest: string | null): RejectedOffer[] =>
    selectRejected.all({ name, digest }).map(rejectionOf);

  return {
    /** All decisions about keys, in their order. */
    keyDecisions: (): KeyDecision[] => selectKeyDecisions.all().map((row) => keyDecisionOf(row, nameOf(row))),
    distrustedKeys: (): DistrustedKey[] => selectDistrusted.all().map((row) => distrustOf(row, nameOf(row))),
    distrust(request: DistrustedKey): void {
      const key = cleanDistrust(request);
      addKeyDecision(keyDecisionRow(key, 'distrusted', key.label));
      addEvent(keyDistrusted(key));
    },
    /** False when it is not distrusted. */
    trustAgain(request: KeyTrustedAgain): boolean {
      const before = selectDistrusted
        .all()
        .find(
          (row) =>
            row.trust_domain === request.trustDomain &&
            [row.key_fingerprint, nameOf(row)].includes(request.keyFingerprint),
        );
      if (!before) return false;
      // Use the name as it was stored, because both names stand for one key.
      const again = { ...request, ...cleanDecision(request), keyFingerprint: before.key_fingerprint };
      addKeyDecision(keyDecisionRow(again, again.decision, before.key));
      addEvent(keyTrustedAgain(again, before.key));
      return true;
    },
    rejectedOffers: (trustDomain?: TrustDomain): RejectedOffer[] => rejected(trustDomain ?? null, null),
    rejection: (trustDomain: TrustDomain, digest: string): RejectedOffer | undefined =>
      rejected(trustDomain, digest)[0],
    reject(request: RejectedOffer): void {
      const offer = cleanRejection(request);
      addOfferDecision(offerDecisionRow(offer, 'rejected'));
      addEvent(offerDecided(offer, 'offer-rejected'));
    },
    /** False when it is not rejected. */
    reconsider(request: RejectedOffer): boolean {
      const offer = cleanRejection(request);
      if (rejected(offer.trustDomain, offer.digest).length === 0) return false;
      addOfferDecision(offerDecisionRow(offer, 'reconsidered'));
      addEvent(offerDecided(offer, 'offer-reconsidered'));
      return true;
    },
  };
}

function keyDecisionOf(row: ReturnType<typeof keyDecisionRow>, keyFingerprint: string): KeyDecision {
  const { word: decision, label } = row;
  return { ...distrustOf({ ...row, key: label, since: row.at }, keyFingerprint), decision, label };
}

function distrustOf(row: DistrustRow, keyFingerprint: string): DistrustedKey {
  return {
    trustDomain: parseTrustDomain(row.trust_domain),
    keyFingerprint,
    label: row.key,
    at: new Date(row.since),
    actor: row.actor,
    reason: row.reason,
    ...defined({ until: given(row.until, dateFrom) }),
  };
}

function rejectionOf(row: RejectionRow): RejectedOffer {
  const { trust_domain: name, digest, since, actor, reason } = row;
  return { trustDomain: parseTrustDomain(name), digest, at: new Date(since), actor, reason };
}
