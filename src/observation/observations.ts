import { describeError, type Log, type Metrics, type Random } from '../platform/index.ts';
import {
  type BundleSource,
  signStatement,
  StatementError,
  type StatementSigner,
  type TrustDomain,
  verifyStatement,
} from '../spiffe/index.ts';
import type { Relationship, SignedHead, Store } from '../store/index.ts';
import {
  agentOf,
  claimedIssuer,
  FetchError,
  HOLDING_TYPE,
  type HoldingStatements,
  MAX_HOLDING_CHARACTERS,
  type PeerHolding,
  RecentWork,
} from '../federation/index.ts';
import { compareOwn, compareSeen } from './compare-seen.ts';
import { type AskParts, fetchSeen } from './fetch-seen.ts';
import { viewOfOwn, viewOfPeer } from './own-view.ts';
import { ConflictRecord } from './record-conflict.ts';
import {
  MAX_SEEN_BUNDLES,
  MAX_SEEN_CHARACTERS,
  MAX_SEEN_VERSIONS,
  readSeen,
  SEEN_PATH,
  SEEN_TYPE,
  type SeenBundle,
  seenClaims,
  trustDomainHash,
} from './seen-claims.ts';

/** A peer's agent is asked this often, a changed one soon. */
const ASK_EVERY_MS = 5 * 60_000;
const SOON_MS = 2000;
/**
 * An endpoint that knows nothing of this is asked again after a minute, then less and less often,
 * down to once an hour.
 */
const FIRST_REFUSED_MS = 60_000;
const RARELY_MS = 60 * 60_000;
const TICK_MS = 1000;
const AT_ONCE = 4;
const LIFETIME_MS = 5 * 60_000;
/** Answers per address and minute; each costs two signatures. */
const PER_ADDRESS = 30;
const MAX_IN_FLIGHT = 8;
/**
 * How long after its request a refusal is sent. Checking a proof takes a few milliseconds of it.
 */
const REFUSAL_MS = 250;

/** How asking a peer ended. */
export type AskOutcome = 'compared' | 'nothing-to-show' | 'not-known-there' | 'failed' | 'not-proven';

export interface ObservationParts extends AskParts {
  readonly store: Store;
  readonly own: () => { readonly trustDomain: TrustDomain } | undefined;
  readonly relationships: () => readonly Relationship[];
  readonly bundles: BundleSource;
  readonly signer: () => StatementSigner | undefined;
  /** The newest head of our own history that we signed. */
  readonly head: () => SignedHead | undefined;
  /** Signs what we hold of a peer: it proves us to the peer's agent. */
  readonly holding: Pick<HoldingStatements, 'statementFor'>;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** A request at our endpoint, as the endpoint reports it. */
interface ObservationRequest {
  readonly method: string;
  readonly path: string;
  readonly remoteAddress: string;
  readonly holding?: string | undefined;
}

/**
 * Agents that federate report to each other what endpoints showed them: ours, each other's and
 * those of third parties. This finds an endpoint that shows different bundles to different peers.
 * They also keep each other's signed heads, so that nobody can take history back. Only agents of
 * relationships get an answer, and hashes name the trust domains.
 */
export class Observations {
  readonly #parts: ObservationParts;
  readonly #record: ConflictRecord;
  readonly #work: RecentWork;
  readonly #stopping = new AbortController();
  readonly #dueMs = new Map<TrustDomain, number>();
  /** How often in a row a peer's endpoint knew nothing of this. */
  readonly #refusals = new Map<TrustDomain, number>();
  /** What each peer last reported to hold from us. */
  readonly #heldThere = new Map<TrustDomain, string>();
  /** When each peer last reported. An older statement that is played again changes nothing. */
  readonly #saidAt = new Map<TrustDomain, Date>();
  #inFlight = 0;
  #turn = 0;
  #loop: Promise<void> | undefined;

  constructor(parts: ObservationParts) {
    this.#parts = parts;
    this.#record = new ConflictRecord(parts);
    this.#work = new RecentWork(parts.clock, PER_ADDRESS);
  }

  /** Begins to ask peers, until `stop`. */
  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
  }

  /**
   * Notes that another bundle of this peer is held, so that its agent is asked soon. Further
   * changes do not delay that. Also called when none is held, because it is not a peer any more.
   */
  changed(trustDomain: TrustDomain, isHeld: boolean): void {
    if (!isHeld) {
      void this.#dropped(trustDomain);
      return;
    }
    const soonMs = this.#parts.clock.monotonicMs() + SOON_MS;
    this.#dueMs.set(trustDomain, Math.min(soonMs, this.#dueMs.get(trustDomain) ?? soonMs));
  }

  /** A peer has proved what it holds of us. Never rejects. */
  async noteHolding(
    holding: Pick<PeerHolding, 'trustDomain' | 'digest' | 'sequence' | 'since'>,
  ): Promise<void> {
    const own = this.#parts.own();
    if (!own) return;
    const { trustDomain, digest, sequence, since: at } = holding;
    // Most polls report the same as the one before.
    const content = `${digest} ${sequence ?? ''} ${at.getTime()}`;
    if (this.#heldThere.get(trustDomain) === content) return;
    this.#heldThere.set(trustDomain, content);
    const version = { digest, at, ...(sequence === undefined ? {} : { sequence }) };
    try {
      const parts = {
        store: this.#parts.store,
        ownTrustDomain: own.trustDomain,
        record: this.#record,
        now: this.#parts.clock.now(),
      };
      await compareOwn(parts, trustDomain, { versions: [version], confirmedAt: at });
    } catch (error) {
      this.#parts.log.error('what a peer holds was not compared', {
        trustDomain,
        error: describeError(error),
      });
    }
  }

  /**
   * Answers a request for what we saw. A request that does not prove an agent of a relationship
   * gets the answer of an unknown path. That comes after the same time, with or without a
   * relationship with the claimed peer. So a caller cannot find out our peers by claiming their
   * names.
   */
  accept({ method, path, remoteAddress, holding }: ObservationRequest) {
    if (path !== SEEN_PATH || method !== 'GET' || holding === undefined) return undefined;
    return {
      maxBodyBytes: 0,
      answer: async () => {
        const startMs = this.#parts.clock.monotonicMs();
        const body = await this.#answerOf(holding, remoteAddress);
        if (body !== undefined) return { status: 200, body, headers: { 'content-type': 'application/jose' } };
        await this.#untilMs(startMs + REFUSAL_MS);
        return undefined;
      },
    };
  }

  /** Asks one peer's agent now, and compares. Rejects with `StoreError` only. */
  async ask(relationship: Relationship): Promise<AskOutcome> {
    const { holding, log } = this.#parts;
    const { trustDomain } = relationship;
    const token = await holding.statementFor(trustDomain);
    if (token === undefined || !this.#parts.own()) return 'nothing-to-show';
    let statement: string;
    try {
      statement = await fetchSeen(this.#parts, relationship, token, this.#stopping.signal);
    } catch (error) {
      if (!(error instanceof FetchError)) throw error;
      if (error.code === 'status-refused') return 'not-known-there';
      log.debug('a peer was not asked what it saw', { trustDomain, error: describeError(error) });
      return 'failed';
    }
    return this.take(relationship, statement);
  }

  /** Compares what a peer's agent signed, once it is proved. Rejects with `StoreError` only. */
  async take(relationship: Relationship, statement: string): Promise<AskOutcome> {
    const { bundles, clock, log, store, relationships } = this.#parts;
    const own = this.#parts.own();
    const { trustDomain } = relationship;
    if (!own) return 'nothing-to-show';
    const now = clock.now();
    try {
      const { signer, issuedAt, claims } = await verifyStatement(statement, {
        type: SEEN_TYPE,
        audience: own.trustDomain,
        bundles,
        now,
        maxCharacters: MAX_SEEN_CHARACTERS,
      });
      const seen = readSeen(claims);
      if (!seen || signer.id !== agentOf(relationship)) return 'not-proven';
      if (issuedAt < (this.#saidAt.get(trustDomain) ?? issuedAt)) return 'not-proven';
      this.#saidAt.set(trustDomain, issuedAt);
      const parts = { store, relationships, bundles, record: this.#record, now };
      await compareSeen({ ...parts, ownTrustDomain: own.trustDomain }, relationship, seen);
      return 'compared';
    } catch (error) {
      if (!(error instanceof StatementError)) throw error;
      log.warn('what a peer says it saw is not proved', { trustDomain, error: describeError(error) });
      return 'not-proven';
    }
  }

  async #answerOf(holding: string, remoteAddress: string): Promise<string | undefined> {
    const asker = this.#claimedAsker(holding);
    if (!asker || this.#inFlight >= MAX_IN_FLIGHT || !this.#work.allows(remoteAddress)) return undefined;
    this.#inFlight += 1;
    try {
      return await this.#answer(asker, holding);
    } finally {
      this.#inFlight -= 1;
    }
  }

  async #untilMs(instantMs: number): Promise<void> {
    const { clock } = this.#parts;
    try {
      await clock.sleep(Math.max(0, instantMs - clock.monotonicMs()), this.#stopping.signal);
    } catch {
      // The agent stops.
    }
  }

  /** What only a former peer reported is over. Never rejects. */
  async #dropped(trustDomain: TrustDomain): Promise<void> {
    this.#dueMs.delete(trustDomain);
    try {
      await this.#record.forget(trustDomain);
    } catch (error) {
      this.#parts.log.error('what a former peer reported was not ended', {
        trustDomain,
        error: describeError(error),
      });
    }
  }

  #claimedAsker(token: string): Relationship | undefined {
    if (token.length > MAX_HOLDING_CHARACTERS) return undefined;
    const issuer = claimedIssuer(token);
    return (
      issuer &&
      this.#parts
        .relationships()
        .find((each) => each.trustDomain === issuer.trustDomain && agentOf(each) === issuer.id)
    );
  }

  async #answer(asker: Relationship, token: string): Promise<string | undefined> {
    const { bundles, clock, signer: current, head, store } = this.#parts;
    const [own, signer] = [this.#parts.own(), current()];
    if (!own || !signer) return undefined;
    const now = clock.now();
    try {
      const asking = await verifyStatement(token, {
        type: HOLDING_TYPE,
        audience: own.trustDomain,
        bundles,
        now,
        maxCharacters: MAX_HOLDING_CHARACTERS,
      });
      if (asking.signer.id !== agentOf(asker)) return undefined;
    } catch (error) {
      if (error instanceof StatementError) return undefined;
      throw error;
    }
    const shown = head();
    const [theirs] = await store.peerHeads(asker.trustDomain, { limit: 1 });
    return signStatement({
      type: SEEN_TYPE,
      signer,
      audience: asker.trustDomain,
      issuedAt: now,
      expiresAt: new Date(now.getTime() + LIFETIME_MS),
      claims: seenClaims({
        bundles: await this.#seen(own.trustDomain, asker.trustDomain, now),
        ...(shown?.statement === undefined ? {} : { head: { statement: shown.statement, at: shown.at } }),
        ...(theirs ? { yourHead: { statement: theirs.statement, at: theirs.at } } : {}),
      }),
    });
  }

  /** Our own bundle, the asker's, and as many others as there is room for, in turns. */
  async #seen(own: TrustDomain, asker: TrustDomain, now: Date): Promise<SeenBundle[]> {
    const { store, relationships } = this.#parts;
    const all = relationships();
    const others = all.filter(({ trustDomain }) => trustDomain !== asker);
    const start = others.length < MAX_SEEN_BUNDLES ? 0 : (this.#turn += MAX_SEEN_BUNDLES - 2) % others.length;
    const chosen = [
      ...all.filter(({ trustDomain }) => trustDomain === asker),
      ...[...others.slice(start), ...others.slice(0, start)].slice(0, MAX_SEEN_BUNDLES - 2),
    ];
    const seen: SeenBundle[] = [];
    const add = (trustDomain: TrustDomain, view: Omit<SeenBundle, 'subject'>) =>
      seen.push({
        subject: trustDomainHash(trustDomain),
        versions: view.versions.slice(0, MAX_SEEN_VERSIONS),
        confirmedAt: view.confirmedAt,
      });
    add(own, await viewOfOwn(store, own, now, MAX_SEEN_VERSIONS));
    for (const relationship of chosen)
      add(relationship.trustDomain, await viewOfPeer(store, relationship, MAX_SEEN_VERSIONS));
    return seen;
  }

  async #run(): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#stopping;
    for (;;) {
      try {
        await clock.sleep(TICK_MS, signal);
      } catch {
        // Stopped, which is the only way this loop ends.
        return;
      }
      const due = this.#due();
      for (let at = 0; at < due.length && !signal.aborted; at += AT_ONCE)
        await Promise.all(due.slice(at, at + AT_ONCE).map((relationship) => this.#askInTurn(relationship)));
    }
  }

  #due(): readonly Relationship[] {
    if (!this.#parts.signer()) return [];
    const now = this.#parts.clock.monotonicMs();
    return this.#parts.relationships().filter((relationship) => {
      if (relationship.profile.kind === 'signed_bundle' || !agentOf(relationship)) return false;
      const { trustDomain } = relationship;
      const at = this.#dueMs.get(trustDomain);
      // A new one, or all of them after a start: not all in one moment.
      if (at === undefined)
        this.#dueMs.set(trustDomain, now + SOON_MS + this.#parts.random.fraction() * SOON_MS);
      return at !== undefined && at <= now;
    });
  }

  async #askInTurn(relationship: Relationship): Promise<void> {
    const { clock, random, log } = this.#parts;
    const { trustDomain } = relationship;
    let outcome: AskOutcome = 'failed';
    try {
      outcome = await this.ask(relationship);
    } catch (error) {
      log.error('what a peer saw was not compared', { trustDomain, error: describeError(error) });
    }
    const refusals = outcome === 'not-known-there' ? (this.#refusals.get(trustDomain) ?? 0) + 1 : 0;
    this.#refusals.set(trustDomain, refusals);
    // The first retry comes soon, because the other side is often just adding us.
    const wait =
      refusals === 0 ? ASK_EVERY_MS : Math.min(FIRST_REFUSED_MS * 2 ** Math.min(refusals - 1, 10), RARELY_MS);
    this.#dueMs.set(trustDomain, clock.monotonicMs() + wait * (0.9 + 0.2 * random.fraction()));
  }
}
