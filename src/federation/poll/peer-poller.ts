import { describeError, pause, type TokenBucket } from '../../platform/index.ts';
import type { Relationship } from '../../store/index.ts';
import { type EndpointHealth, EndpointUrls } from '../fetch/endpoint-urls.ts';
import { pollIntervalMs, type ScheduleSettings } from '../fetch/schedule.ts';
import { ChangeBudget, type ChangeBudgetSettings } from './change-budget.ts';
import { EndpointWatch, type WatchParts, type WatchPlaces, type WatchSettings } from './endpoint-watch.ts';
import { PollSchedule } from './poll-schedule.ts';
import type { PollLane, PollSlots } from './poll-slots.ts';
import type { RefreshParts } from './refresh.ts';
import { refreshFromAny } from './refresh-from-any.ts';
import type { RefreshOutcome, RefreshResult, RememberedTag } from './refresh-outcome.ts';
import { type PollOutcome, type RecordParts, RelationshipRecord } from './relationship-record.ts';
import type { OperatorOverride } from './settle-offer.ts';

/** Called with the result of each poll, for metrics. */
export type PollObserver = (result: RefreshResult, durationMs: number) => void;

/** For a wait that is cut short; an error with a stack for each would cost more than the wait. */
const WOKEN = new Error('the schedule must be looked at again');

/** What a poll takes, and what is kept of it. */
export type PollParts = RefreshParts & RecordParts & WatchParts & { readonly schedule: ScheduleSettings };

/** What the pollers of all peers share. */
export interface SharedByPollers {
  readonly parts: PollParts;
  readonly slots: PollSlots;
  readonly watch: WatchSettings;
  readonly watchPlaces: WatchPlaces;
  readonly observe: PollObserver;
  readonly budget: ChangeBudgetSettings;
  /** Limits the retries of all peers together. */
  readonly retries: TokenBucket;
}

/**
 * Keeps one relationship fresh: polls it, and waits as the schedule says. At most one poll runs at
 * once; a second caller gets the result of the running one.
 */
export class PeerPoller {
  readonly #parts: PollParts;
  readonly #slots: PollSlots;
  readonly #observe: PollObserver;
  readonly #record: RelationshipRecord;
  readonly #schedule: PollSchedule;
  readonly #watch: EndpointWatch;
  readonly #urls: EndpointUrls;
  readonly #budget: ChangeBudget;
  readonly #stop = new AbortController();
  #tag: RememberedTag | undefined;
  /** What the last poll was. */
  #lane: PollLane = 'brisk';
  #inFlight: Promise<RefreshResult> | undefined;
  #wake: AbortController | undefined;
  #loop: Promise<void> | undefined;

  constructor(options: {
    readonly shared: SharedByPollers;
    readonly relationship: Relationship;
    /** Milliseconds until the first poll of the loop. */
    readonly firstPollInMs: number;
    /** The tag of the document that the bootstrap fetched. */
    readonly tag?: RememberedTag | undefined;
  }) {
    const { firstPollInMs } = options;
    const { parts, slots, watch, watchPlaces, observe, budget, retries } = options.shared;
    const { clock, random, schedule } = parts;
    this.#parts = parts;
    this.#slots = slots;
    this.#observe = observe;
    this.#tag = options.tag;
    this.#urls = new EndpointUrls(clock);
    this.#budget = new ChangeBudget(clock, budget);
    const nextPollAt = new Date(clock.now().getTime() + firstPollInMs);
    this.#record = new RelationshipRecord(parts, { ...options.relationship, nextPollAt }, this.#budget);
    this.#schedule = new PollSchedule({ clock, random, settings: schedule, retries, firstPollInMs });
    this.#watch = new EndpointWatch({
      parts,
      settings: watch,
      places: watchPlaces,
      // The address that answered the last poll is the one that knows our tag.
      relationship: () => ({ ...this.relationship, endpointUrl: this.#urls.inOrder(this.relationship)[0] }),
      ring: async () => (await this.poll()).outcome.kind === 'accepted',
    });
  }

  /** The relationship as the last poll left it. */
  get relationship(): Relationship {
    return this.#record.current;
  }

  /** How each address of its endpoint did since the agent started, in the operator's order. */
  endpoints(): EndpointHealth[] {
    return this.#urls.health(this.relationship);
  }

  /** The longest time from one poll to the next, by the hint of the held bundle. */
  get intervalMs(): number {
    return pollIntervalMs(this.#refreshHintSeconds, this.#parts.schedule);
  }

  /** Takes over other parameters of the endpoint and other terms. */
  adopt(changed: Relationship): void {
    this.#record.adopt(changed);
  }

  /** Records that no poll has succeeded for as long as the limit allows, and shows it. */
  becomeStale(): Promise<void> {
    return this.#record.becomeStale();
  }

  /** Reports to the endpoint that holds our request that its bundle came further in our mesh. */
  reportHolding(): void {
    this.#watch.renew();
  }

  /**
   * The peer has shown that it is up, as by a poll of ours that it proved. Polls soon if our last
   * poll failed.
   */
  peerIsBack(): void {
    if (this.#schedule.bringForward()) this.#wake?.abort(WOKEN);
  }

  /** Begins to poll, until `stop`. */
  start(): void {
    this.#loop ??= this.#run();
    this.#watch.follow(this.#tag);
  }

  /** Stops polling, calls off a fetch in flight, and resolves when nothing of it runs any more. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wake?.abort(WOKEN);
    await this.#watch.stop();
    await this.#loop;
    await this.#inFlight;
  }

  /** Polls now, or joins the poll in flight. */
  poll(): Promise<RefreshResult> {
    this.#inFlight ??= this.#begin(undefined);
    return this.#inFlight;
  }

  /** Polls after the running poll, because that one began before the operator's action. */
  async pollAgain(override?: OperatorOverride): Promise<RefreshResult> {
    while (this.#inFlight) await this.#inFlight;
    this.#inFlight = this.#begin(override);
    return this.#inFlight;
  }

  get #refreshHintSeconds(): number | undefined {
    return this.#parts.held.bundleFor(this.relationship.trustDomain)?.refreshHintSeconds;
  }

  async #run(): Promise<void> {
    const { clock } = this.#parts;
    while (!this.#stop.signal.aborted) {
      const { waitMs } = this.#schedule;
      if (waitMs <= 0) {
        if (this.#schedule.mayPollNow()) await this.poll();
        continue;
      }
      this.#wake = new AbortController();
      // Woken to look at the schedule again: polled by hand, the peer is back, or stopped.
      await pause(clock, waitMs, this.#wake.signal);
    }
  }

  async #begin(override: OperatorOverride | undefined): Promise<RefreshResult> {
    const { trustDomain } = this.relationship;
    const startedMs = this.#parts.clock.monotonicMs();
    const outcome = await this.#once(override);
    this.#inFlight = undefined;
    this.#schedule.polled();
    this.#wake?.abort(WOKEN);
    const result = { trustDomain, outcome };
    this.#observe(result, this.#parts.clock.monotonicMs() - startedMs);
    return result;
  }

  /** Never rejects: a failure of the store is an outcome too, and the next interval tries again. */
  async #once(override: OperatorOverride | undefined): Promise<RefreshOutcome> {
    const { signal } = this.#stop;
    try {
      const refreshed = await this.#slots.use(
        this.#lane,
        signal,
        () =>
          refreshFromAny(this.#parts, this.relationship, this.#urls, {
            tag: this.#tag,
            override,
            budget: this.#budget,
            signal,
          }),
        (lane) => {
          this.#lane = lane;
        },
      );
      const { outcome } = refreshed;
      if (outcome.kind === 'called-off') {
        // Another writer ended the relationship in the store. Only a later look can show more.
        this.#schedule.waitWithoutHint();
        return outcome;
      }
      // Removed, or stopped, while it was written.
      if (signal.aborted) return { kind: 'called-off' };
      this.#tag = refreshed.tag;
      this.#watch.follow(this.#budget.isFlapping ? undefined : this.#tag);
      await this.#record.remember(refreshed, outcome, this.#next(outcome), signal);
      return outcome;
    } catch (error) {
      if (signal.aborted) return { kind: 'called-off' };
      const { code = 'unexpected', message } = describeError(error);
      const { trustDomain } = this.relationship;
      this.#parts.log.error('a poll could not be carried out', { trustDomain, error });
      const outcome: PollOutcome = { kind: 'failed', code, message };
      this.#record.show(outcome, this.#next(outcome));
      return outcome;
    }
  }

  /** Schedules the next poll; the milliseconds until then. */
  #next(outcome: PollOutcome): number {
    return this.#schedule.next({
      outcome,
      refreshHintSeconds: this.#refreshHintSeconds,
      isFlapping: this.#budget.isFlapping,
      failures: this.relationship.consecutiveFailures,
    });
  }
}
