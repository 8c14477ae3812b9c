import { defined } from '../objects/index.ts';
import { type Clock, pause } from '../platform/index.ts';
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
  HOLDING_TYPE,
  MAX_HOLDING_CHARACTERS,
  RecentWork,
} from '../federation/index.ts';
import { viewOfOwn, viewOfPeer } from './own-view.ts';
import {
  MAX_SEEN_BUNDLES,
  MAX_SEEN_VERSIONS,
  SEEN_PATH,
  SEEN_TYPE,
  type SeenBundle,
  seenClaims,
  trustDomainHash,
} from './seen-claims.ts';

const LIFETIME_MS = 5 * 60_000;
/** Answers per address and minute; each costs two signatures. */
const PER_ADDRESS = 30;
const MAX_IN_FLIGHT = 8;
/**
 * How long after its request a refusal is sent. Checking a proof takes a few milliseconds of it.
 */
const REFUSAL_MS = 250;

/** What an answer needs. */
export interface SeenReceptionParts {
  readonly store: Store;
  readonly own: () => { readonly trustDomain: TrustDomain } | undefined;
  readonly relationships: () => readonly Relationship[];
  readonly bundles: BundleSource;
  readonly signer: () => StatementSigner | undefined;
  /** The newest head of our own history that we signed. */
  readonly head: () => SignedHead | undefined;
  readonly clock: Clock;
}

/** A request at our endpoint, as the endpoint reports it. */
interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly remoteAddress: string;
  readonly holding?: string | undefined;
}

/**
 * Answers other agents that ask what we saw. Only agents of relationships get an answer, and hashes
 * name the trust domains.
 */
export class SeenReception {
  readonly #parts: SeenReceptionParts;
  readonly #stopping: AbortSignal;
  readonly #work: RecentWork;
  #inFlight = 0;
  #turn = 0;

  /** Refuses at once, instead of after a fixed time, when `stopping` aborts. */
  constructor(parts: SeenReceptionParts, stopping: AbortSignal) {
    this.#parts = parts;
    this.#stopping = stopping;
    this.#work = new RecentWork(parts.clock, PER_ADDRESS);
  }

  /**
   * Answers a request for what we saw. A request that does not prove an agent of a relationship
   * gets the answer of an unknown path. That comes after the same time, with or without a
   * relationship with the claimed peer. So a caller cannot find out our peers by claiming their
   * names.
   */
  accept({ method, path, remoteAddress, holding }: SeenRequest) {
    if (path !== SEEN_PATH || method !== 'GET' || holding === undefined) return undefined;
    return {
      maxBodyBytes: 0,
      answer: async () => {
        const { clock } = this.#parts;
        const startMs = clock.monotonicMs();
        const body = await this.#answerOf(holding, remoteAddress);
        if (body !== undefined) return { status: 200, body, headers: { 'content-type': 'application/jose' } };
        await pause(clock, Math.max(0, startMs + REFUSAL_MS - clock.monotonicMs()), this.#stopping);
        return undefined;
      },
    };
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
    const [theirs] = await store.peerHeads(asker.trustDomain, { limit: 1 });
    return signStatement({
      type: SEEN_TYPE,
      signer,
      audience: asker.trustDomain,
      issuedAt: now,
      expiresAt: new Date(now.getTime() + LIFETIME_MS),
      claims: seenClaims({
        bundles: await this.#seen(own.trustDomain, asker.trustDomain, now),
        ...defined({ head: partOf(head()), yourHead: partOf(theirs) }),
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
}

/** Of a head as much as a statement carries; undefined without its signature. */
function partOf(head: { readonly statement?: string; readonly at: Date } | undefined) {
  return head?.statement === undefined ? undefined : { statement: head.statement, at: head.at };
}
