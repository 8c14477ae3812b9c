import { defined } from '../../objects/index.ts';
import type { Clock } from '../../platform/index.ts';
import {
  type BundleDiff,
  type BundleSource,
  contentDigest,
  diffBundles,
  type TrustBundle,
  type TrustDomain,
} from '../../spiffe/index.ts';
import type { Relationship, RejectedOffer, Store, StoredIncident } from '../../store/index.ts';
import { FederationError } from '../fetch/errors.ts';
import { notFederated, type Peers } from '../poll/peers.ts';
import type { RefreshOutcome } from '../poll/refresh-outcome.ts';

/** An offered bundle that is not trusted, for the operator to decide on. */
export interface WaitingOffer {
  readonly relationship: Relationship;
  /**
   * Whether it waits for the operator, or is kept out: by invariant 3, or because it was rejected.
   */
  readonly status: 'quarantined' | 'refused' | 'rejected';
  readonly code: string;
  readonly message: string;
  readonly offered: TrustBundle;
  /** `contentDigest` of the offer. */
  readonly digest: string;
  readonly held: TrustBundle | undefined;
  readonly diff: BundleDiff;
  /** Which address gave it. */
  readonly origin: string;
  /** Since when, how often and when last this very content was seen. */
  readonly since: Date;
  readonly times: number;
  readonly lastAt: Date;
}

/** Who decides about an offer, and why. */
type By = Pick<RejectedOffer, 'actor' | 'reason'>;

/** What a decision was about, and the outcome of the poll after it. */
interface Decided {
  readonly digest: string;
  readonly outcome: RefreshOutcome;
}

/** What deciding on offers takes. */
export interface ReviewParts {
  readonly store: Store;
  readonly held: BundleSource;
  readonly clock: Clock;
}

/** More than an operator would read. */
const MOST = 1000;

/**
 * What waits for the operator (invariant 4), and what becomes of it. Accepting takes
 * exactly the content that was shown, and only if the endpoint still offers it: it is fetched,
 * proved and judged once more. A decision names its offer by the first digits of the digest, six at
 * least; without a digest it is about the one that waits.
 */
export class OfferReviews {
  readonly #parts: ReviewParts;
  readonly #peers: Peers;

  constructor(parts: ReviewParts, peers: Peers) {
    this.#parts = parts;
    this.#peers = peers;
  }

  /**
   * Every offer that is kept out now, of one peer or of all, newest first. Throws `FederationError`
   * `not-federated`; `StoreError`.
   */
  async waiting(trustDomain?: TrustDomain): Promise<WaitingOffer[]> {
    const { store } = this.#parts;
    if (trustDomain !== undefined && !this.#peers.find(trustDomain)) throw notFederated(trustDomain);
    const incidents = await store.incidents({ ...defined({ trustDomain }), open: true, limit: MOST });
    const seen = new Set<TrustDomain>();
    const newest = incidents.toSorted((a, b) => b.lastAt.getTime() - a.lastAt.getTime() || b.id - a.id);
    return newest.flatMap((incident) => {
      // A peer offers one bundle at a time: the one seen last.
      if (!incident.offered || !isKeptOut(incident) || seen.has(incident.trustDomain)) return [];
      seen.add(incident.trustDomain);
      return this.#describe(incident, incident.offered);
    });
  }

  /** The contents that were rejected for good. Throws `StoreError`. */
  rejected(trustDomain?: TrustDomain): Promise<RejectedOffer[]> {
    return this.#parts.store.rejectedOffers(trustDomain);
  }

  /**
   * Takes the offer that waits, on record. Throws `FederationError` `nothing-waits`,
   * `offer-changed` where the endpoint now offers something else, `offer-not-confirmed` where it
   * cannot be asked, and then nothing was accepted; `StoreError`.
   */
  async accept(trustDomain: TrustDomain, by: By, named?: string): Promise<Decided> {
    const { digest, status, offered } = await this.#find(trustDomain, named);
    const shown = defined({ shownSequence: offered.sequence });
    const poller = this.#peers.of(trustDomain);
    const { outcome } = await poller.pollAgain({ digest, ...by, ...shown });
    const held = this.#parts.held.bundleFor(trustDomain);
    if (!held || contentDigest(held) !== digest) throw notTaken(trustDomain, digest, outcome);
    if (status === 'rejected') await this.#reconsider(trustDomain, by, digest);
    return { digest, outcome };
  }

  /**
   * Keeps the content that waits out for good, on record. Throws `FederationError` `nothing-waits`;
   * `StoreError`.
   */
  async reject(trustDomain: TrustDomain, by: By, named?: string): Promise<Decided> {
    const { digest } = await this.#find(trustDomain, named);
    await this.#parts.store.rejectOffer({ trustDomain, digest, at: this.#parts.clock.now(), ...by });
    const { outcome } = await this.#peers.of(trustDomain).pollAgain();
    return { digest, outcome };
  }

  /**
   * Takes a rejection back, and records that. The content is judged again when it is next offered.
   * Throws `FederationError` `not-rejected`, `not-federated`; `StoreError`.
   */
  async reconsider(trustDomain: TrustDomain, by: By, named?: string): Promise<Decided> {
    const digest = await this.#reconsider(trustDomain, by, named);
    const { outcome } = await this.#peers.of(trustDomain).pollAgain();
    return { digest, outcome };
  }

  async #reconsider(trustDomain: TrustDomain, by: By, digest = ''): Promise<string> {
    const { store, clock } = this.#parts;
    const found = (await store.rejectedOffers(trustDomain)).filter((offer) =>
      offer.digest.startsWith(digest),
    );
    const [only] = found;
    if (!only || found.length > 1) {
      const which = digest === '' ? 'offer' : `offer sha256:${digest}`;
      const how = found.length === 0 ? 'no' : `${found.length} times an`;
      throw new FederationError(
        'not-rejected',
        `${how} ${which} of ${trustDomain} was rejected: name one by its digest`,
      );
    }
    await store.reconsiderOffer({ trustDomain, digest: only.digest, at: clock.now(), ...by });
    return only.digest;
  }

  async #find(trustDomain: TrustDomain, digest: string | undefined): Promise<WaitingOffer> {
    const [offer] = await this.waiting(trustDomain);
    if (!offer) throw new FederationError('nothing-waits', `no offer of ${trustDomain} waits for a decision`);
    if (digest !== undefined && !offer.digest.startsWith(digest)) {
      throw new FederationError(
        'offer-changed',
        `what ${trustDomain} offers now is sha256:${offer.digest}, not sha256:${digest}: nothing was decided`,
      );
    }
    return offer;
  }

  #describe(incident: StoredIncident, offered: TrustBundle): WaitingOffer[] {
    const { trustDomain, kind, code, message, origin, lastAt, offer } = incident;
    const relationship = this.#peers.find(trustDomain)?.relationship;
    if (!relationship) return [];
    const held = this.#parts.held.bundleFor(trustDomain);
    const digest = contentDigest(offered);
    return [
      {
        relationship,
        status:
          code === 'offer-rejected' ? 'rejected' : kind === 'bundle-quarantined' ? 'quarantined' : 'refused',
        code,
        message,
        offered,
        digest,
        held,
        diff: diffBundles(held, offered),
        origin,
        since: offer?.since ?? incident.at,
        times: offer?.times ?? incident.count,
        lastAt,
      },
    ];
  }
}

/** Whether an incident is about an offer that the operator can decide. */
function isKeptOut({ kind, code }: StoredIncident): boolean {
  return kind === 'bundle-quarantined' || code === 'offer-rejected' || code === 'sequence-rolled-back';
}

function notTaken(trustDomain: TrustDomain, digest: string, outcome: RefreshOutcome): FederationError {
  const shown = `sha256:${digest.slice(0, 12)}…`;
  if (outcome.kind === 'failed' || outcome.kind === 'called-off') {
    const why =
      outcome.kind === 'failed' ? `${outcome.message} [${outcome.code}]` : 'the poll was called off';
    return new FederationError(
      'offer-not-confirmed',
      `${trustDomain} could not be asked whether it still offers ${shown}, so nothing was accepted: ${why}`,
    );
  }
  const now =
    'code' in outcome
      ? `something else, which is ${outcome.kind} [${outcome.code}]: ${outcome.message}`
      : `a bundle that needs no consent, and that one is trusted now`;
  return new FederationError(
    'offer-changed',
    `${trustDomain} no longer offers ${shown}, which was not accepted; it offers ${now}`,
  );
}
