import type { Database } from 'better-sqlite3';
import { defined, given } from '../../objects/index.ts';
import { printable } from '../../platform/index.ts';
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
import type { DistrustedKey, KeyTrustedAgain, RejectedOffer } from '../model/operator-decisions.ts';

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

const HEX64 = /^[0-9a-f]{64}$/;

/**
 * The operator's decisions about keys and offers, in SQL. `addEvent` adds an event. `keyDecisions`
 * gives all decisions about keys, in their order.
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
    keyDecisions: (): KeyDecision[] => selectKeyDecisions.all().map((row) => keyDecisionOf(row, nameOf(row))),
    reads: {
      distrustedKeys: (): DistrustedKey[] =>
        selectDistrusted.all().map((row) => distrustOf(row, nameOf(row))),
      rejectedOffers: (trustDomain?: TrustDomain): RejectedOffer[] => rejected(trustDomain ?? null, null),
      rejection: (trustDomain: TrustDomain, digest: string): RejectedOffer | undefined =>
        rejected(trustDomain, digest)[0],
    },
    writes: {
      distrustKey(request: DistrustedKey): void {
        const key = cleanDistrust(request);
        addKeyDecision(keyDecisionRow(key, 'distrusted', key.label));
        addEvent(keyDistrusted(key));
      },
      trustKeyAgain(request: KeyTrustedAgain): boolean {
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
      rejectOffer(request: RejectedOffer): void {
        const offer = cleanRejection(request);
        addOfferDecision(offerDecisionRow(offer, 'rejected'));
        addEvent(offerDecided(offer, 'offer-rejected'));
      },
      reconsiderOffer(request: RejectedOffer): boolean {
        const offer = cleanRejection(request);
        if (rejected(offer.trustDomain, offer.digest).length === 0) return false;
        addOfferDecision(offerDecisionRow(offer, 'reconsidered'));
        addEvent(offerDecided(offer, 'offer-reconsidered'));
        return true;
      },
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

/**
 * The distrust as it is stored: texts printable and of bounded length. Throws `TypeError` for a
 * malformed fingerprint.
 */
function cleanDistrust(key: DistrustedKey): DistrustedKey {
  if (!HEX64.test(key.keyFingerprint)) throw new TypeError('a key fingerprint has 64 hex digits');
  return { ...key, ...cleanDecision(key), label: printable(key.label, 200) };
}

/**
 * The rejection as it is stored: texts printable and of bounded length. Throws `TypeError` for a
 * malformed digest.
 */
function cleanRejection(offer: RejectedOffer): RejectedOffer {
  if (!HEX64.test(offer.digest)) throw new TypeError('a digest has 64 hex digits');
  return { ...offer, ...cleanDecision(offer) };
}

/** The actor and the reason, as they are stored. */
function cleanDecision({ actor, reason }: { readonly actor: string; readonly reason: string }) {
  return { actor: printable(actor, 100), reason: printable(reason, 1000) };
}

/** The audit line of a key's distrust. */
function keyDistrusted({ at, trustDomain, actor, ...key }: DistrustedKey): NewEvent {
  const { label, keyFingerprint, reason, until } = key;
  const end = until === undefined ? '' : ` until ${until.toISOString()}`;
  return {
    at,
    kind: 'key-distrusted',
    trustDomain,
    actor,
    message: `the key ${label} of ${trustDomain} is distrusted${end}: ${reason}`,
    detail: { key_fingerprint: keyFingerprint, ...(until ? { until: until.toISOString() } : {}) },
  };
}

/**
 * The audit line of a key that is trusted again. `label` is its label from when it was distrusted.
 */
function keyTrustedAgain(ended: KeyTrustedAgain, label: string): NewEvent {
  const { at, trustDomain, actor, decision, reason, keyFingerprint } = ended;
  return {
    at,
    kind: 'key-trusted-again',
    trustDomain,
    actor,
    code: decision,
    message: `the key ${label} of ${trustDomain} is trusted again: ${reason}`,
    detail: { key_fingerprint: keyFingerprint },
  };
}

/** The audit line of an offer that was rejected for good, or whose rejection ended. */
function offerDecided(
  { at, trustDomain, actor, digest, reason }: RejectedOffer,
  kind: 'offer-rejected' | 'offer-reconsidered',
): NewEvent {
  const outcome =
    kind === 'offer-rejected'
      ? 'is rejected and will not wait for the operator again'
      : 'is no longer rejected and is judged again';
  const message = `the offered bundle sha256:${digest} of ${trustDomain} ${outcome}: ${reason}`;
  return { at, kind, trustDomain, actor, message, detail: { digest } };
}
