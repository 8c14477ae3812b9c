import { describeError, type TokenBucket } from '../../platform/index.ts';
import type { Relationship, RelationshipPatch } from '../../store/index.ts';
import { ChangeBudget, type ChangeBudgetSettings } from './change-budget.ts';
import { EndpointWatch, type WatchPlaces, type WatchSettings } from './endpoint-watch.ts';
import type { PollLane, PollSlots } from './poll-slots.ts';
import { type EndpointHealth, EndpointUrls } from '../fetch/endpoint-urls.ts';
import { endedBy, isGood } from './poll-incidents.ts';
import { type RefreshedFrom, refreshFromAny } from './refresh-from-any.ts';
import type { RefreshOutcome, RefreshResult, RememberedTag } from './refresh-outcome.ts';
import type { RefreshParts } from './refresh-parts.ts';
import type { OperatorOverride } from './settle-offer.ts';
import { type StateAfter, staleFrom, staleState, stateAfter } from './relationship-state.ts';
import { nextPollDelayMs, pollIntervalMs, retryDelayMs, type ScheduleSettings } from '../fetch/schedule.ts';
import { missingEndpointTrust } from '../fetch/serving.ts';

/** Called with the result of each poll, for metrics. */
export type PollObserver = (result: RefreshResult, durationMs: number) => void;

/**
 * How often a flapping peer is polled. Because no request is held at it, and a removal must not
 * wait for the refresh hint.
 */
const FLAPPING_POLL_MS = 10_000;
/** Retries that find no room are spread over this time. */
const RETRY_SPREAD_MS = 5000;

/** What a poll changes about its relationship; never the terms, which are the operator's. */
type PollPatch = Pick<
  RelationshipPatch,
  'state' | 'stateReason' | 'lastAttemptAt' | 'lastSuccessAt' | 'consecutiveFailures'
> & { readonly nextPollAt: Date };

/** For a wait that is cut short; an error with a stack for each would cost more than the wait. */
const WOKEN = new Error('the schedule must be looked at again');

/** What the pollers of all peers share. */
export interface SharedByPollers {
  readonly parts: RefreshParts;
  readonly slots: PollSlots;
  readonly schedule: ScheduleSettings;
  readonly watch: WatchSettings;
  readonly watchPlaces: WatchPlaces;
  readonly observe: PollObserver;
  readonly budget: ChangeBudgetSettings;
  /** Limits the retries of all peers together. */
  readonly retries: TokenBucket;
}

/**
 * Keeps one relationship fresh: polls, remembers its state, and waits as the schedule says. At most
 * one poll runs at once; a second caller gets the result of the running one.
 */
export class PeerPoller {
  readonly #parts: RefreshParts;
  readonly #slots: PollSlots;
  readonly #schedule: ScheduleSettings;
  readonly #observe: PollObserver;
  readonly #watch: EndpointWatch;
  readonly #urls: EndpointUrls;
  readonly #budget: ChangeBudget;
  /** Shared by all peers. */
  readonly #retries: TokenBucket;
  readonly #stop = new AbortController();
  #relationship: Relationship;
  #tag: RememberedTag | undefined;
  #dueAtMs: number;
  /** When the next poll is due by hint and interval; a poll before that is a retry. */
  #regularAtMs: number;
  #lastPollMs = Number.NEGATIVE_INFINITY;
  #isUnreachable = false;
  /** What the last poll was. */
  #lane: PollLane = 'brisk';
  #inFlight: Promise<RefreshResult> | undefined;
  #wake: AbortController | undefined;
  #loop: Promise<void> | undefined;
  /** An incident of an earlier run may still be open; after a good poll we know. */
  #incidentsMayBeOpen = true;

  constructor(options: {
    readonly shared: SharedByPollers;
    readonly relationship: Relationship;
    /** Milliseconds until the first poll of the loop. */
    readonly firstPollInMs: number;
    /** The tag of the document that the bootstrap fetched. */
    readonly tag?: RememberedTag | undefined;
  }) {
    const { parts, slots, schedule, watch, watchPlaces, observe, budget, retries } = options.shared;
    this.#parts = parts;
    const nextPollAt = new Date(parts.clock.now().getTime() + options.firstPollInMs);
    this.#relationship = { ...options.relationship, nextPollAt };
    this.#urls = new EndpointUrls(parts.clock);
    this.#limitAge();
    this.#budget = new ChangeBudget(parts.clock, budget);
    this.#retries = retries;
    this.#slots = slots;
    this.#schedule = schedule;
    this.#observe = observe;
    this.#watch = new EndpointWatch({
      parts: parts,
      settings: watch,
      places: watchPlaces,
      // The address that answered the last poll is the one that knows our tag.
      relationship: () => ({ ...this.#relationship, endpointUrl: this.#urls.inOrder(this.#relationship)[0] }),
      ring: async () => (await this.poll()).outcome.kind === 'accepted',
    });
    this.#tag = options.tag;
    this.#dueAtMs = parts.clock.monotonicMs() + options.firstPollInMs;
    this.#regularAtMs = this.#dueAtMs;
  }

  /** The relationship as the last poll left it. */
  get relationship(): Relationship {
    return this.#relationship;
  }

  /** How each address of its endpoint did since the agent started, in the operator's order. */
  endpoints(): EndpointHealth[] {
    return this.#urls.health(this.#relationship);
  }

  /** The longest time from one poll to the next, by the hint of the held bundle. */
  get intervalMs(): number {
    const bundle = this.#parts.held.bundleFor(this.#relationship.trustDomain);
    return pollIntervalMs(bundle?.refreshHintSeconds, this.#schedule);
  }

  /** Goes on with other parameters of the endpoint and other terms. */
  adopt(changed: Relationship): void {
    const { stateReason: _, ...agreed } = changed;
    const { state, stateReason, lastAttemptAt, lastSuccessAt, nextPollAt, consecutiveFailures } =
      this.#relationship;
    this.#relationship = {
      ...agreed,
      state,
      consecutiveFailures,
      ...(stateReason ? { stateReason } : {}),
      ...(lastAttemptAt ? { lastAttemptAt } : {}),
      ...(lastSuccessAt ? { lastSuccessAt } : {}),
      ...(nextPollAt ? { nextPollAt } : {}),
    };
    this.#limitAge();
  }

  /** Records that no poll has succeeded for as long as the limit allows, and shows it. */
  async becomeStale(): Promise<void> {
    const { store, clock, log } = this.#parts;
    const { trustDomain, endpointUrl, state: before, stateReason } = this.#relationship;
    const besides = { state: before, reason: before === 'stale' ? null : (stateReason ?? null) };
    const { state, reason } = staleState(this.#relationship, besides);
    const { code, message } = reason ?? { code: 'trust-stale', message: 'too old' };
    this.#relationship = { ...this.#relationship, state, stateReason: { code, message } };
    this.#incidentsMayBeOpen = true;
    log.warn('the trust in a peer has become stale', { trustDomain, code, message });
    const at = clock.now();
    const about = { at, trustDomain, actor: 'agent', origin: endpointUrl, code, message };
    try {
      await store.updateRelationship(trustDomain, { state, stateReason: { code, message } });
      await store.recordIncident({ kind: 'trust-stale', ...about });
    } catch (error) {
      log.error('that the trust in a peer has become stale could not be put on record', {
        trustDomain,
        error,
      });
    }
  }

  /** Reports to the endpoint that holds our request that its bundle came further in our mesh. */
  reportHolding(): void {
    this.#watch.renew();
  }

  /**
   * The peer has shown that it is up, as by a poll of ours that it proved. Polls now if our last
   * poll failed, but not more often than the floor of the schedule allows.
   */
  peerIsBack(): void {
    if (!this.#isUnreachable) return;
    const atMs = Math.max(this.#parts.clock.monotonicMs(), this.#lastPollMs + this.#schedule.floorMs);
    if (atMs >= this.#dueAtMs) return;
    this.#dueAtMs = atMs;
    this.#wake?.abort(WOKEN);
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

  async #run(): Promise<void> {
    const { clock } = this.#parts;
    while (!this.#stop.signal.aborted) {
      const waitMs = this.#dueAtMs - clock.monotonicMs();
      if (waitMs <= 0) {
        if (this.#mayPollNow()) await this.poll();
        continue;
      }
      this.#wake = new AbortController();
      try {
        await clock.sleep(waitMs, this.#wake.signal);
      } catch {
        // Woken to look at the schedule again: polled by hand, the peer is back, or stopped.
      }
    }
  }

  /**
   * Delays a retry that has no room among the retries of all peers; at most until the regular poll.
   */
  #mayPollNow(): boolean {
    const { clock, random } = this.#parts;
    const nowMs = clock.monotonicMs();
    if (nowMs >= this.#regularAtMs || this.#retries.take()) return true;
    const laterMs = nowMs + Math.max(this.#retries.waitMs(), RETRY_SPREAD_MS * random.fraction());
    this.#dueAtMs = Math.min(this.#regularAtMs, laterMs);
    return false;
  }

  async #begin(override: OperatorOverride | undefined): Promise<RefreshResult> {
    const { trustDomain } = this.#relationship;
    const startedMs = this.#parts.clock.monotonicMs();
    const outcome = await this.#once(override);
    this.#inFlight = undefined;
    this.#lastPollMs = this.#parts.clock.monotonicMs();
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
          refreshFromAny(this.#parts, this.#relationship, this.#urls, {
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
        this.#dueAtMs = this.#parts.clock.monotonicMs() + this.#schedule.withoutHintMs;
        this.#regularAtMs = this.#dueAtMs;
        return outcome;
      }
      // Removed, or stopped, while it was written.
      if (signal.aborted) return { kind: 'called-off' };
      this.#tag = refreshed.tag;
      this.#watch.follow(this.#budget.isFlapping ? undefined : this.#tag);
      await this.#remember(refreshed, outcome);
      return outcome;
    } catch (error) {
      if (signal.aborted) return { kind: 'called-off' };
      const { code = 'unexpected', message } = describeError(error);
      this.#parts.log.error('a poll could not be carried out', {
        trustDomain: this.#relationship.trustDomain,
        error,
      });
      const outcome: RefreshOutcome = { kind: 'failed', code, message };
      this.#apply(this.#patch(outcome));
      return outcome;
    }
  }

  /** Writes the state of the relationship, and the beginning or end of its incident. */
  async #remember(
    refreshed: RefreshedFrom,
    outcome: Exclude<RefreshOutcome, { kind: 'called-off' }>,
  ): Promise<void> {
    const { store, clock } = this.#parts;
    const { trustDomain } = this.#relationship;
    const patch = this.#patch(outcome, refreshed);
    // Memory first: it is what the schedule and `status` go by, also when the disk is full.
    this.#apply(patch);
    await store.updateRelationship(trustDomain, patch);
    const at = clock.now();
    const { incident } = refreshed;
    const why = refreshed.reason ?? ('code' in outcome ? outcome : undefined);
    if (this.#stop.signal.aborted) return;
    if (incident !== undefined && why) {
      this.#incidentsMayBeOpen = true;
      await store.recordIncident({
        at,
        trustDomain,
        kind: incident,
        actor: 'agent',
        origin: refreshed.endpointUrl,
        code: why.code,
        message: why.message,
        ...(refreshed.offered ? { offered: refreshed.offered } : {}),
        ...(refreshed.offered?.sequence === undefined ? {} : { sequence: refreshed.offered.sequence }),
      });
    }
    const over = endedBy(incident, isGood(outcome)).filter(
      (kind) => kind !== 'peer-flapping' || !this.#budget.isFlapping,
    );
    if (over.length > 0 && this.#incidentsMayBeOpen) {
      await store.endIncidents({ trustDomain, at, actor: 'agent', kinds: over });
      this.#incidentsMayBeOpen = incident !== undefined || (await this.#hasOpenIncident());
    }
  }

  /**
   * Whether an incident stays open for a later poll to end. Because the store keeps an incident
   * open that comes and goes, and a peer flaps until it is calm.
   */
  async #hasOpenIncident(): Promise<boolean> {
    const { trustDomain } = this.#relationship;
    const open = await this.#parts.store.incidents({ trustDomain, open: true, offers: false });
    const ended = endedBy(undefined, true);
    return open.some(({ kind }) => ended.includes(kind));
  }

  /** Shows a flapping peer as such until it is calm, also while one of its changes is accepted. */
  #calming(after: StateAfter): StateAfter {
    if (after.state !== 'active' || after.reason || !this.#budget.isFlapping) return after;
    const { trustDomain } = this.#relationship;
    return {
      state: 'flapping',
      reason: { code: 'peer-flapping', message: this.#budget.describe(trustDomain) },
    };
  }

  #apply(patch: PollPatch): void {
    const { stateReason: _, ...before } = this.#relationship;
    const { stateReason, lastSuccessAt, lastAttemptAt, ...rest } = patch;
    this.#relationship = {
      ...before,
      ...rest,
      ...(stateReason ? { stateReason } : {}),
      ...(lastSuccessAt ? { lastSuccessAt } : {}),
      ...(lastAttemptAt ? { lastAttemptAt } : {}),
    };
    this.#limitAge();
  }

  #limitAge(): void {
    this.#parts.trusted.staleFrom(this.#relationship.trustDomain, staleFrom(this.#relationship));
  }

  #patch(
    outcome: Exclude<RefreshOutcome, { kind: 'called-off' }>,
    reported?: Pick<RefreshedFrom, 'incident' | 'reason'>,
  ): PollPatch {
    const { held, trusted, clock, random, endpointBundles } = this.#parts;
    const { trustDomain, profile, consecutiveFailures } = this.#relationship;
    const bundle = held.bundleFor(trustDomain);
    const now = clock.now();
    const good = isGood(outcome);
    const missing = missingEndpointTrust(profile, endpointBundles, now);
    const after = this.#calming(stateAfter(outcome, missing, bundle, reported));
    const stale = !good && trusted.isStale(trustDomain);
    const { state, reason } = stale ? staleState(this.#relationship, after) : after;
    const regularMs = nextPollDelayMs(bundle?.refreshHintSeconds, this.#schedule, random);
    this.#isUnreachable = outcome.kind === 'failed' && outcome.code !== 'endpoint-bundle-missing';
    const delayMs = this.#budget.isFlapping
      ? Math.min(regularMs, Math.max(FLAPPING_POLL_MS, this.#schedule.floorMs))
      : this.#isUnreachable
        ? retryDelayMs(consecutiveFailures + 1, regularMs, random)
        : regularMs;
    this.#dueAtMs = clock.monotonicMs() + delayMs;
    this.#regularAtMs = clock.monotonicMs() + (this.#isUnreachable ? regularMs : delayMs);
    return {
      state,
      stateReason: reason,
      lastAttemptAt: now,
      ...(good ? { lastSuccessAt: now } : {}),
      nextPollAt: new Date(now.getTime() + delayMs),
      consecutiveFailures: good ? 0 : consecutiveFailures + 1,
    };
  }
}
