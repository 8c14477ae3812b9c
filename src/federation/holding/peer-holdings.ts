import { defined, given } from '../../objects/index.ts';
import type { Clock, Log } from '../../platform/index.ts';
import {
  type BundleSource,
  contentDigest,
  type SpiffeId,
  type TrustBundle,
  type TrustDomain,
  verifyStatement,
} from '../../spiffe/index.ts';
import type { Relationship, StoredHolding } from '../../store/index.ts';
import { type Holding, HOLDING_TYPE, MAX_HOLDING_CHARACTERS, readHolding } from '../fetch/holding-claims.ts';
import { claimedIssuer } from './claimed-issuer.ts';
import { RecentWork } from './recent-work.ts';

/** What an endpoint noticed of one request for our bundle. */
export interface SeenRequest {
  readonly address: string;
  /** `If-None-Match`: the tag of the document that is held there. */
  readonly heldTag?: string | undefined;
  /** `Federate-Holding`. */
  readonly statement?: string | undefined;
}

/** What a peer has proved that it holds of our bundle. */
export interface PeerHolding extends Holding {
  readonly trustDomain: TrustDomain;
  readonly signer: SpiffeId;
  readonly address: string;
  readonly statedAt: Date;
  /** The last request that reported this. */
  readonly seenAt: Date;
  /** Since when we know of this very content and progress, by our clock. */
  readonly knownSince: Date;
}

/**
 * A poller that does not identify itself: another product, or a peer that we have no relationship
 * with.
 */
export interface PlainPoller {
  readonly address: string;
  readonly firstSeenAt: Date;
  readonly lastSeenAt: Date;
  readonly requests: number;
  /** The tag it showed last, since when it shows that one. */
  readonly heldTag?: string;
  readonly heldTagSince?: Date;
  /** The tag of the document it was given last, and since when that is the one. */
  readonly servedTag?: string;
  readonly servedTagSince?: Date;
}

export interface PeerHoldingsOptions {
  /** Our own trust domain, whom statements have to be for. */
  readonly ownTrustDomain: () => TrustDomain | undefined;
  readonly relationshipWith: (trustDomain: TrustDomain) => Relationship | undefined;
  readonly bundles: BundleSource;
  readonly clock: Clock;
  readonly log: Log;
  /** Called after each request that proves its peer, also when it reports the same as before. */
  readonly onContact?: (trustDomain: TrustDomain) => void;
  /** Called after each new statement that is proved. */
  readonly onHolding?: (holding: PeerHolding) => void;
}

const MAX_PLAIN_POLLERS = 1024;
/** Statements that are checked at once; further ones wait for the next poll. */
const MAX_IN_FLIGHT = 8;
/** New statements per address in a minute; an honest agent has one or two. */
const PER_ADDRESS = 30;

/**
 * Who holds what of our bundle, as far as it was proved or can be inferred. What comes in decides
 * nothing about what is answered. A statement counts only where the agent of a relationship signed
 * it. All cheap checks come before the signature, and the same statement again costs no check of
 * it.
 */
export class PeerHoldings {
  readonly #options: PeerHoldingsOptions;
  readonly #holdings = new Map<
    TrustDomain,
    PeerHolding & {
      readonly token: string;
      readonly arrival: number;
      readonly expiresAt: Date;
      /** `contentDigest` of the bundle whose roots proved the signer. */
      readonly provedBy: string | undefined;
    }
  >();
  readonly #plain = new Map<string, PlainPoller>();
  readonly #work: RecentWork;
  #inFlight = 0;
  #arrivals = 0;
  #forgotAt: Date | undefined;

  constructor(options: PeerHoldingsOptions) {
    this.#options = options;
    this.#work = new RecentWork(options.clock, PER_ADDRESS);
  }

  /**
   * Notes a request for our bundle. Returns at once, and verifies a statement after that. Resolves
   * with the peer that the client proved to be, if we hold a relationship with it; else undefined.
   * Never rejects.
   */
  async note(seen: SeenRequest): Promise<TrustDomain | undefined> {
    const { statement } = seen;
    if (statement === undefined || statement.length > MAX_HOLDING_CHARACTERS) {
      this.#notePlain(seen);
      return undefined;
    }
    const proved = await this.prove(seen.address, statement);
    if (proved === undefined) this.#notePlain(seen);
    return proved;
  }

  /** Notes that a poller without a statement received the whole document with this tag. */
  noteServed(address: string, servedTag: string): void {
    const before = this.#plain.get(address);
    if (!before) return;
    const servedTagSince = before.servedTag === servedTag ? before.servedTagSince : this.#options.clock.now();
    this.#plain.set(address, { ...before, servedTag, ...defined({ servedTagSince }) });
  }

  /** Takes up what was proved before a restart. */
  restore(holdings: readonly StoredHolding[]): void {
    const knownSince = this.#options.clock.now();
    for (const holding of holdings) {
      const { trustDomain, statedAt } = holding;
      const proof = { token: '', arrival: 0, expiresAt: statedAt, provedBy: undefined };
      this.#holdings.set(trustDomain, { ...holding, ...proof, seenAt: statedAt, knownSince });
    }
  }

  /**
   * What the agent of this trust domain holds; undefined where it never reported it, or where the
   * relationship has ended.
   */
  of(trustDomain: TrustDomain): PeerHolding | undefined {
    if (!this.#options.relationshipWith(trustDomain)) this.#holdings.delete(trustDomain);
    return this.#holdings.get(trustDomain);
  }

  /** When one of the others was forgotten last, because there were too many to remember. */
  get forgotAt(): Date | undefined {
    return this.#forgotAt;
  }

  /** All other pollers, the newest last. */
  plainPollers(): readonly PlainPoller[] {
    return [...this.#plain.values()];
  }

  /**
   * The peer that a client proves to be by a statement, if we hold a relationship with it. What the
   * statement reports is noted. Never rejects.
   */
  async prove(address: string, token: string): Promise<TrustDomain | undefined> {
    const { relationshipWith, ownTrustDomain, bundles, clock, log } = this.#options;
    if (token.length > MAX_HOLDING_CHARACTERS) return undefined;
    const issuer = claimedIssuer(token);
    const relationship = issuer && relationshipWith(issuer.trustDomain);
    const own = ownTrustDomain();
    if (!relationship || own === undefined || issuer.id !== agentOf(relationship)) return undefined;
    const { trustDomain } = relationship;
    const known = this.#holdings.get(trustDomain);
    // Proved before. That counts while its time runs and while the same roots prove the signer.
    if (
      known?.token === token &&
      clock.now() < known.expiresAt &&
      known.provedBy === digestOf(bundles.bundleFor(trustDomain))
    ) {
      this.#holdings.set(trustDomain, { ...known, address, seenAt: clock.now() });
      this.#options.onContact?.(trustDomain);
      return trustDomain;
    }
    if (this.#inFlight >= MAX_IN_FLIGHT || !this.#work.allows(address)) return undefined;
    this.#inFlight += 1;
    const arrival = (this.#arrivals += 1);
    try {
      const now = clock.now();
      const provedBy = digestOf(bundles.bundleFor(trustDomain));
      const { signer, issuedAt, expiresAt, claims } = await verifyStatement(token, {
        type: HOLDING_TYPE,
        audience: own,
        bundles,
        now,
        maxCharacters: MAX_HOLDING_CHARACTERS,
      });
      const holding = readHolding(claims);
      if (!holding || signer.id !== issuer.id) return undefined;
      this.#options.onContact?.(trustDomain);
      const newest = this.#holdings.get(trustDomain);
      // An older one that is played again does not count. Within one second the later arrival
      // counts.
      const seconds = (instant: Date) => Math.floor(instant.getTime() / 1000);
      if (newest && seconds(issuedAt) < seconds(newest.statedAt)) return trustDomain;
      if (newest && seconds(issuedAt) === seconds(newest.statedAt) && arrival < newest.arrival)
        return trustDomain;
      const knownSince = newest && sayTheSame(newest, holding) ? newest.knownSince : now;
      const proved = {
        ...holding,
        trustDomain,
        signer: signer.id,
        address,
        statedAt: issuedAt,
        seenAt: now,
        knownSince,
        token,
        arrival,
        expiresAt,
        provedBy,
      };
      this.#holdings.set(trustDomain, proved);
      // Until now it was taken for an unknown client: its first polls from here, before there was a
      // relationship to prove anything by.
      if (newest?.address !== address) this.#plain.delete(address);
      this.#options.onHolding?.(proved);
      return trustDomain;
    } catch (error) {
      log.info('what a poll reports to hold is not proved', {
        trustDomain,
        address,
        error,
      });
      return undefined;
    } finally {
      this.#inFlight -= 1;
    }
  }

  #notePlain({ address, heldTag }: SeenRequest): void {
    const now = this.#options.clock.now();
    const before = this.#plain.get(address);
    this.#plain.delete(address);
    const tag = heldTag !== undefined && heldTag.length <= 256 ? heldTag : undefined;
    this.#plain.set(address, {
      ...defined({ servedTag: before?.servedTag, servedTagSince: before?.servedTagSince }),
      address,
      firstSeenAt: before?.firstSeenAt ?? now,
      lastSeenAt: now,
      requests: (before?.requests ?? 0) + 1,
      ...(tag === undefined
        ? {}
        : { heldTag: tag, heldTagSince: before?.heldTag === tag ? (before.heldTagSince ?? now) : now }),
    });
    const [oldest] = this.#plain.keys();
    if (this.#plain.size <= MAX_PLAIN_POLLERS || oldest === undefined) return;
    this.#plain.delete(oldest);
    this.#forgotAt = now;
  }
}

function digestOf(bundle: TrustBundle | undefined): string | undefined {
  return given(bundle, contentDigest);
}

function sayTheSame(a: Holding, b: Holding): boolean {
  return a.digest === b.digest && a.inMesh?.progress === b.inMesh?.progress;
}

/** Whose signature counts for a peer: the agent that was agreed on, else the endpoint itself. */
export function agentOf({ agentId, profile }: Relationship): SpiffeId | undefined {
  if (agentId !== undefined || profile.kind === 'https_web') return agentId;
  return profile.kind === 'https_spiffe' ? profile.endpointId : profile.signerId;
}
