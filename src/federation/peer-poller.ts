import { describeError } from '../platform/index.ts';
import type { IncidentKind, Relationship, RelationshipPatch } from '../store/index.ts';
import { EndpointWatch, type WatchPlaces, type WatchSettings } from './endpoint-watch.ts';
import type { PollLane, PollSlots } from './poll-slots.ts';
import { type EndpointHealth, EndpointUrls } from './endpoint-urls.ts';
import { type RefreshedFrom, refreshFromAny } from './refresh-from-any.ts';
import type { PollIncident, RefreshOutcome, RefreshResult, RememberedTag } from './refresh-outcome.ts';
import type { RefreshParts } from './refresh-parts.ts';
import type { OperatorOverride } from './settle-offer.ts';
import { staleFrom, staleState, stateAfter } from './relationship-state.ts';
import { nextPollDelayMs, type ScheduleSettings } from './schedule.ts';
import { missingEndpointTrust } from './serving.ts';

/** Told when a poll ended, for numbers. */
export type PollObserver = (result: RefreshResult, durationMs: number) => void;

const POLL_INCIDENTS: readonly PollIncident[] = [
  'endpoint-unreachable',
  'bundle-refused',
  'bundle-quarantined',
];

/** What a poll changes about its relationship; never the terms, which are the operator's. */
type PollPatch = Pick<
  RelationshipPatch,
  'state' | 'stateReason' | 'lastAttemptAt' | 'lastSuccessAt' | 'consecutiveFailures'
> & { readonly nextPollAt: Date };

/** For a wait that is cut short; an error with a stack for each would cost more than the wait. */
const WOKEN = new Error('the schedule is to be looked at anew');

/**
 * Keeps one relationship fresh: polls, remembers how it stands, waits as the schedule says, for ever. One poll in flight
 * at most; whoever asks for another one meanwhile gets that one's result.
 */
export class PeerPoller {
  readonly #parts: RefreshParts;
  readonly #slots: PollSlots;
  readonly #schedule: ScheduleSettings;
  readonly #observe: PollObserver;
  readonly #watch: EndpointWatch;
  readonly #urls: EndpointUrls;
  readonly #stop = new AbortController();
  #relationship: Relationship;
  #tag: RememberedTag | undefined;
  #dueAtMs: number;
  /** What the last poll was. */
  #lane: PollLane = 'brisk';
  #inFlight: Promise<RefreshResult> | undefined;
  #wake: AbortController | undefined;
  #loop: Promise<void> | undefined;
  /** An incident of an earlier run may still be open; after a good poll we know. */
  #incidentsMayBeOpen = true;

  constructor(options: {
    readonly parts: RefreshParts;
    readonly relationship: Relationship;
    readonly slots: PollSlots;
    readonly schedule: ScheduleSettings;
    readonly watch: WatchSettings;
    readonly watchPlaces: WatchPlaces;
    readonly observe: PollObserver;
    /** Milliseconds until the first poll of the loop. */
    readonly firstPollInMs: number;
    /** The tag of the document that the bootstrap fetched. */
    readonly tag?: RememberedTag | undefined;
  }) {
    this.#parts = options.parts;
    const nextPollAt = new Date(options.parts.clock.now().getTime() + options.firstPollInMs);
    this.#relationship = { ...options.relationship, nextPollAt };
    this.#urls = new EndpointUrls(options.parts.clock);
    this.#limitAge();
    this.#slots = options.slots;
    this.#schedule = options.schedule;
    this.#observe = options.observe;
    this.#watch = new EndpointWatch({
      parts: options.parts,
      settings: options.watch,
      places: options.watchPlaces,
      // The address that answered the last poll is the one that knows our tag.
      relationship: () => ({ ...this.#relationship, endpointUrl: this.#urls.inOrder(this.#relationship)[0] }),
      ring: async () => (await this.poll()).outcome.kind !== 'unchanged',
    });
    this.#tag = options.tag;
    this.#dueAtMs = options.parts.clock.monotonicMs() + options.firstPollInMs;
  }

  /** The relationship as the last poll left it. */
  get relationship(): Relationship {
    return this.#relationship;
  }

  /** How each address of its endpoint did since the agent started, in the operator's order. */
  endpoints(): EndpointHealth[] {
    return this.#urls.health(this.#relationship);
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

  /** No poll has succeeded for as long as the limit allows: on record, and in the state, whatever else is the matter. */
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

  /** What we hold came further in our mesh: the endpoint that holds our request hears of it. */
  tellHolding(): void {
    this.#watch.renew();
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

  /** Polls after the poll in flight, which was begun before the operator's word or deed. */
  async pollAnew(override?: OperatorOverride): Promise<RefreshResult> {
    while (this.#inFlight) await this.#inFlight;
    this.#inFlight = this.#begin(override);
    return this.#inFlight;
  }

  async #run(): Promise<void> {
    const { clock } = this.#parts;
    while (!this.#stop.signal.aborted) {
      const waitMs = this.#dueAtMs - clock.monotonicMs();
      if (waitMs <= 0) {
        await this.poll();
        continue;
      }
      this.#wake = new AbortController();
      try {
        await clock.sleep(waitMs, this.#wake.signal);
      } catch {
        // Woken to look at the schedule anew: polled by hand, or stopped.
      }
    }
  }

  async #begin(override: OperatorOverride | undefined): Promise<RefreshResult> {
    const { trustDomain } = this.#relationship;
    const startedMs = this.#parts.clock.monotonicMs();
    const outcome = await this.#once(override);
    this.#inFlight = undefined;
    this.#wake?.abort(WOKEN);
    const result = { trustDomain, outcome };
    this.#observe(result, this.#parts.clock.monotonicMs() - startedMs);
    return result;
  }

  /** Never rejects: a store that fails is an outcome like any other, and the next interval tries again. */
  async #once(override: OperatorOverride | undefined): Promise<RefreshOutcome> {
    const { signal } = this.#stop;
    try {
      const refreshed = await this.#slots.use(
        this.#lane,
        signal,
        () =>
          refreshFromAny(this.#parts, this.#relationship, this.#urls, { tag: this.#tag, override, signal }),
        (lane) => {
          this.#lane = lane;
        },
      );
      const { outcome } = refreshed;
      if (outcome.kind === 'called-off') {
        // Somebody else ended the relationship in the store: nothing to do but to look again later.
        this.#dueAtMs = this.#parts.clock.monotonicMs() + this.#schedule.withoutHintMs;
        return outcome;
      }
      this.#tag = refreshed.tag;
      this.#watch.follow(this.#tag);
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

  /** Writes how the relationship stands, and the incident's beginning or end. */
  async #remember(
    refreshed: RefreshedFrom,
    outcome: Exclude<RefreshOutcome, { kind: 'called-off' }>,
  ): Promise<void> {
    const { store, clock } = this.#parts;
    const { trustDomain } = this.#relationship;
    const patch = this.#patch(outcome);
    // Memory first: it is what the schedule and `status` go by, also when the disk is full.
    this.#apply(patch);
    await store.updateRelationship(trustDomain, patch);
    const at = clock.now();
    const { incident } = refreshed;
    if (incident !== undefined && 'code' in outcome) {
      this.#incidentsMayBeOpen = true;
      await store.recordIncident({
        at,
        trustDomain,
        kind: incident,
        actor: 'agent',
        origin: refreshed.endpointUrl,
        code: outcome.code,
        message: outcome.message,
        ...(refreshed.offered ? { offered: refreshed.offered } : {}),
        ...(refreshed.offered?.sequence === undefined ? {} : { sequence: refreshed.offered.sequence }),
      });
    }
    const over = endedBy(incident);
    if (over.length > 0 && this.#incidentsMayBeOpen) {
      await store.endIncidents({ trustDomain, at, actor: 'agent', kinds: over });
      this.#incidentsMayBeOpen = incident !== undefined;
    }
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

  #patch(outcome: Exclude<RefreshOutcome, { kind: 'called-off' }>): PollPatch {
    const { held, trusted, clock, random, endpointBundles } = this.#parts;
    const { trustDomain, profile, consecutiveFailures } = this.#relationship;
    const bundle = held.bundleFor(trustDomain);
    const now = clock.now();
    const good = outcome.kind === 'unchanged' || outcome.kind === 'accepted';
    const after = stateAfter(outcome, missingEndpointTrust(profile, endpointBundles, now), bundle);
    const stale = !good && trusted.isStale(trustDomain);
    const { state, reason } = stale ? staleState(this.#relationship, after) : after;
    const delayMs = nextPollDelayMs(bundle?.refreshHintSeconds, this.#schedule, random);
    this.#dueAtMs = clock.monotonicMs() + delayMs;
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

/** What a poll puts an end to: an unreachable endpoint proves nothing about its offers; an offer proves that it is reachable. */
function endedBy(incident: PollIncident | undefined): readonly IncidentKind[] {
  if (incident === undefined) return [...POLL_INCIDENTS, 'trust-stale'];
  return incident === 'endpoint-unreachable' ? [] : POLL_INCIDENTS.filter((kind) => kind !== incident);
}
