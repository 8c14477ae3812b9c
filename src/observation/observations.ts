import { defined } from '../objects/index.ts';
import { type Clock, type Metrics, pause } from '../platform/index.ts';
import { StatementError, type TrustDomain, verifyStatement } from '../spiffe/index.ts';
import type { Relationship } from '../store/index.ts';
import {
  agentOf,
  FetchError,
  type HoldingStatements,
  type PeerHolding,
  type Reach,
} from '../federation/index.ts';
import { AskSchedule } from './ask-schedule.ts';
import { compareOwn, compareSeen } from './compare-seen.ts';
import { type AskParts, fetchSeen } from './fetch-seen.ts';
import { ConflictRecord } from './record-conflict.ts';
import { MAX_SEEN_CHARACTERS, readSeen, SEEN_TYPE } from './seen-claims.ts';
import { SeenReception, type SeenReceptionParts } from './seen-reception.ts';

const TICK_MS = 1000;
const AT_ONCE = 4;

/** How asking a peer ended. */
export type AskOutcome = 'compared' | 'nothing-to-show' | 'not-known-there' | 'failed' | 'not-proven';

/** What asking peers and answering them takes. */
export interface ObservationParts extends AskParts, SeenReceptionParts, Pick<Reach, 'random' | 'log'> {
  readonly clock: Clock;
  /** Signs what we hold of a peer: it proves us to the peer's agent. */
  readonly holding: Pick<HoldingStatements, 'statementFor'>;
  readonly metrics: Metrics;
}

/**
 * Agents that federate report to each other what endpoints showed them: ours, each other's and
 * those of third parties. This finds an endpoint that shows different bundles to different peers.
 * They also keep each other's signed heads, so that no agent can take history back. Only agents of
 * relationships get an answer, and hashes name the trust domains.
 */
export class Observations {
  /** Answers agents of peers that ask the same of us. */
  readonly reception: SeenReception;
  readonly #parts: ObservationParts;
  readonly #record: ConflictRecord;
  readonly #stopping = new AbortController();
  readonly #schedule: AskSchedule;
  /** What each peer last reported to hold from us. */
  readonly #heldThere = new Map<TrustDomain, string>();
  /** When each peer last reported. An older statement that is played again changes nothing. */
  readonly #reportedAt = new Map<TrustDomain, Date>();
  #loop: Promise<void> | undefined;

  constructor(parts: ObservationParts) {
    this.#parts = parts;
    this.#record = new ConflictRecord(parts);
    this.#schedule = new AskSchedule(parts);
    this.reception = new SeenReception(parts, this.#stopping.signal);
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
    this.#schedule.soon(trustDomain);
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
    const version = { digest, at, ...defined({ sequence }) };
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
        error,
      });
    }
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
      log.debug('a peer was not asked what it saw', { trustDomain, error });
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
      if (issuedAt < (this.#reportedAt.get(trustDomain) ?? issuedAt)) return 'not-proven';
      this.#reportedAt.set(trustDomain, issuedAt);
      const parts = { store, relationships, bundles, record: this.#record, now };
      await compareSeen({ ...parts, ownTrustDomain: own.trustDomain }, relationship, seen);
      return 'compared';
    } catch (error) {
      if (!(error instanceof StatementError)) throw error;
      log.warn('what a peer reports to have seen is not proved', {
        trustDomain,
        error,
      });
      return 'not-proven';
    }
  }

  /** What only a former peer reported is over. Never rejects. */
  async #dropped(trustDomain: TrustDomain): Promise<void> {
    this.#schedule.forget(trustDomain);
    try {
      await this.#record.forget(trustDomain);
    } catch (error) {
      this.#parts.log.error('what a former peer reported was not ended', {
        trustDomain,
        error,
      });
    }
  }

  async #run(): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#stopping;
    while (await pause(clock, TICK_MS, signal)) {
      const due = this.#parts.signer() ? this.#schedule.due(this.#parts.relationships()) : [];
      for (let at = 0; at < due.length && !signal.aborted; at += AT_ONCE)
        await Promise.all(due.slice(at, at + AT_ONCE).map((relationship) => this.#askInTurn(relationship)));
    }
  }

  async #askInTurn(relationship: Relationship): Promise<void> {
    const { log } = this.#parts;
    const { trustDomain } = relationship;
    let outcome: AskOutcome = 'failed';
    try {
      outcome = await this.ask(relationship);
    } catch (error) {
      log.error('what a peer saw was not compared', { trustDomain, error });
    }
    this.#schedule.asked(trustDomain, outcome !== 'not-known-there');
  }
}
