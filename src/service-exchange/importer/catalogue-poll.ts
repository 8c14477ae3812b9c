import {
  FetchError,
  type HoldingStatements,
  nextPollDelayMs,
  retryDelayMs,
  type ScheduleSettings,
} from '../../federation/index.ts';
import { type Clock, type Log, pause, type Random, Turns } from '../../platform/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import type { Relationship } from '../../store/index.ts';
import { type CatalogueDesk, isGone, type TakeOutcome } from './catalogue-desk.ts';
import { type CatalogueFetchParts, fetchCatalogue } from './fetch-catalogue.ts';

/** How the last request for a peer's catalogue ended. */
export type PollOutcome =
  | TakeOutcome
  /** The endpoint exports nothing to us, or does not know such requests. */
  | { readonly kind: 'nothing-offered' }
  /** We have no SVID to identify us with. */
  | { readonly kind: 'not-identified' }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string };

export interface CataloguePollParts extends CatalogueFetchParts {
  readonly desk: Pick<CatalogueDesk, 'take' | 'refuseUnread'>;
  readonly holding: Pick<HoldingStatements, 'statementFor'>;
  readonly schedule: ScheduleSettings;
  /** How long an endpoint may hold a request, in seconds; 0 turns it off. */
  readonly holdSeconds: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Whether the bundle of a peer counts now; without it nothing that the peer signs is proved. */
  readonly isTrusted: (trustDomain: TrustDomain) => boolean;
  /** Called when a peer answers that it has nothing newer than what it gave. */
  readonly confirmed: (trustDomain: TrustDomain) => void;
  /** Called after each answer that was judged. */
  readonly judged: (outcome: TakeOutcome) => Promise<void>;
}

/** Requests that run at once, over all peers; each held one costs an open connection. */
export class RequestPlaces {
  #free: number;

  constructor(most: number) {
    this.#free = most;
  }

  take(): boolean {
    if (this.#free <= 0) return false;
    this.#free -= 1;
    return true;
  }

  give(): void {
    this.#free += 1;
  }
}

/** The time after an answer before the next request, at least. A peer that flaps is asked no faster. */
const LEAST_MS = 1000;
/** After a start, the first requests spread over so many times that. */
const SPREAD = 4;
/** An endpoint that exports nothing is asked again after this, twice as late each time, up to the longest. */
const NOTHING_MS = 15_000;
const NOTHING_LONGEST_MS = 5 * 60_000;
/** A held request that ends before this was not held. */
const HELD_MS = 10_000;
const EARLY_LONGEST_MS = 60_000;
/** For what is cut short: an error with a stack for each would cost more than the wait. */
const WOKEN = new Error('something else is to be asked');

/**
 * Asks one peer for its catalogue again and again. Where the endpoint holds requests until there is
 * something new, the next request waits there. Each answer is proved and judged before it counts.
 */
export class CataloguePoll {
  readonly #parts: CataloguePollParts;
  readonly #places: RequestPlaces;
  readonly #relationship: () => Relationship | undefined;
  #etag: { readonly tag: string; readonly url: string; readonly held: boolean } | undefined;
  #hint: number | undefined;
  #failures = 0;
  #nothing = 0;
  #early = 0;
  #woken = false;
  #last: { readonly outcome: PollOutcome; readonly at: Date } | undefined;
  #current: AbortController | undefined;
  /** Answers are judged one after the other. */
  readonly #turns = new Turns();
  #asking: Promise<PollOutcome> | undefined;

  constructor(
    parts: CataloguePollParts,
    places: RequestPlaces,
    relationship: () => Relationship | undefined,
  ) {
    this.#parts = parts;
    this.#places = places;
    this.#relationship = relationship;
  }

  /** The last answer, and when it came. */
  get last(): { readonly outcome: PollOutcome; readonly at: Date } | undefined {
    return this.#last;
  }

  /** Asks soon: what we report to the peer changed, or its bundle did. Several calls cause one request. */
  wake(): void {
    this.#nothing = 0;
    this.#early = 0;
    this.#woken = true;
    this.#current?.abort(WOKEN);
  }

  /** Asks soon for the whole document, because it may be judged in another way now. */
  reconsider(): void {
    this.#etag = undefined;
    this.wake();
  }

  /**
   * Asks now, without a wait at the endpoint. Several calls share one request. A good answer ends the
   * long pause after bad ones. Rejects with `StoreError`.
   */
  ask(signal: AbortSignal): Promise<PollOutcome> {
    const before = this.#last?.outcome;
    this.#asking ??= this.#once(0, signal)
      .then((outcome) => {
        if (isGood(outcome) && before !== undefined && !isGood(before)) this.wake();
        return outcome;
      })
      .finally(() => {
        this.#asking = undefined;
      });
    return this.#asking;
  }

  /** Asks until the signal aborts or the relationship ends. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#parts;
    let delayMs = LEAST_MS * (1 + SPREAD * random.fraction());
    while (await this.#wait(delayMs, signal)) {
      if (!this.#relationship()) return;
      if (this.#isWoken()) {
        delayMs = LEAST_MS;
        continue;
      }
      const startedMs = clock.monotonicMs();
      const isPlace = this.#parts.holdSeconds > 0 && this.#places.take();
      // Chance takes some off, so that the requests of one moment do not end in one.
      const seconds = isPlace ? Math.ceil(this.#parts.holdSeconds * (1 - 0.1 * random.fraction())) : 0;
      try {
        await this.#hold(seconds, signal);
      } catch (error) {
        if (isGone(error)) return;
        log.error('the catalogue of a peer was not taken', { error });
        this.#failures += 1;
      } finally {
        if (isPlace) this.#places.give();
      }
      const regularMs = this.#delayMs(clock.monotonicMs() - startedMs, seconds);
      delayMs = this.#isWoken() ? LEAST_MS : regularMs;
    }
  }

  #isWoken(): boolean {
    const isWoken = this.#woken;
    this.#woken = false;
    return isWoken;
  }

  /** One request of the loop, which `wake` ends early. */
  async #hold(seconds: number, signal: AbortSignal): Promise<void> {
    const controller = new AbortController();
    this.#current = controller;
    await this.#once(seconds, AbortSignal.any([signal, controller.signal]));
  }

  async #wait(ms: number, signal: AbortSignal): Promise<boolean> {
    const controller = new AbortController();
    this.#current = controller;
    await pause(this.#parts.clock, ms, AbortSignal.any([signal, controller.signal]));
    return !signal.aborted;
  }

  #delayMs(tookMs: number, seconds: number): number {
    const { schedule, random } = this.#parts;
    const regularMs = nextPollDelayMs(this.#hint, schedule, random);
    if (this.#failures > 0) return retryDelayMs(this.#failures, regularMs, random);
    const wasHeld = tookMs >= Math.min(HELD_MS, seconds * 500);
    if (this.#nothing > 0)
      return seconds > 0 && wasHeld
        ? LEAST_MS
        : Math.min(NOTHING_MS * 2 ** Math.min(this.#nothing - 1, 10), NOTHING_LONGEST_MS);
    const outcome = this.#last?.outcome;
    if (outcome?.kind === 'refused') return Math.max(LEAST_MS, outcome.waitMs ?? regularMs);
    if (outcome?.kind !== 'unchanged' && outcome?.kind !== 'accepted')
      return Math.min(regularMs, NOTHING_LONGEST_MS);
    if (!this.#etag?.held || seconds === 0) return Math.min(regularMs, NOTHING_LONGEST_MS);
    this.#early = outcome.kind === 'unchanged' && !wasHeld ? this.#early + 1 : 0;
    return Math.min(LEAST_MS * 2 ** Math.max(0, this.#early - 1), EARLY_LONGEST_MS);
  }

  async #once(seconds: number, signal: AbortSignal): Promise<PollOutcome> {
    const relationship = this.#relationship();
    const holding = relationship && (await this.#parts.holding.statementFor(relationship.trustDomain));
    if (!relationship || holding === undefined) return this.#note({ kind: 'not-identified' });
    const { trustDomain } = relationship;
    if (!this.#parts.isTrusted(trustDomain))
      return this.#note({
        kind: 'failed',
        code: 'peer-not-trusted',
        message: `no identity of ${trustDomain} is accepted now`,
      });
    let failure: FetchError | undefined;
    for (const url of [relationship.endpointUrl, ...(relationship.moreEndpointUrls ?? [])]) {
      try {
        return await this.#askAt({ url, seconds }, relationship, holding, signal);
      } catch (error) {
        if (!(error instanceof FetchError)) throw error;
        if (error.code === 'status-refused') return this.#note({ kind: 'nothing-offered' });
        if (error.code === 'body-too-large')
          return this.#note(await this.#parts.desk.refuseUnread(relationship, error.message));
        if (signal.aborted) return { kind: 'failed', code: error.code, message: error.message };
        failure = error;
      }
    }
    const { code = 'unexpected', message = 'the peer has no address' } = failure ?? {};
    return this.#note({ kind: 'failed', code, message });
  }

  async #askAt(
    { url, seconds }: { readonly url: string; readonly seconds: number },
    relationship: Relationship,
    holding: string,
    signal: AbortSignal,
  ): Promise<PollOutcome> {
    const etag = this.#etag?.url === url ? this.#etag.tag : undefined;
    const wait = { etag, url, seconds };
    const answer = await fetchCatalogue(this.#parts, relationship, holding, wait, signal);
    if (answer.kind === 'not-modified') {
      // The endpoint gave this document before, and its outcome stays.
      this.#parts.confirmed(relationship.trustDomain);
      const before = this.#last?.outcome;
      const kept =
        before?.kind === 'accepted' || before === undefined ? { kind: 'unchanged' as const } : before;
      return this.#note(kept);
    }
    const token = Buffer.from(answer.body).toString('latin1');
    const outcome = await this.#turns.run(() => this.#parts.desk.take(relationship, token, signal));
    // A refused document is read again as a whole: what stood in the way may be over.
    const isTag = answer.etag !== undefined && outcome.kind !== 'refused';
    this.#etag = isTag ? { tag: answer.etag, url, held: answer.held } : undefined;
    await this.#parts.judged(outcome);
    return this.#note(outcome);
  }

  #note(outcome: PollOutcome): PollOutcome {
    this.#last = { outcome, at: this.#parts.clock.now() };
    this.#failures = outcome.kind === 'failed' || outcome.kind === 'not-identified' ? this.#failures + 1 : 0;
    this.#nothing = outcome.kind === 'nothing-offered' ? this.#nothing + 1 : 0;
    return outcome;
  }
}

function isGood({ kind }: PollOutcome): boolean {
  return kind === 'accepted' || kind === 'unchanged';
}
