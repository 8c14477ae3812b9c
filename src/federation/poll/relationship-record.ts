import { defined } from '../../objects/index.ts';
import type { Clock, Log } from '../../platform/index.ts';
import type { BundleSource } from '../../spiffe/index.ts';
import type { Relationship, RelationshipPatch, Store } from '../../store/index.ts';
import { missingEndpointTrust } from '../fetch/serving.ts';
import type { TrustedBundles } from '../trust/trusted-bundles.ts';
import type { ChangeBudget } from './change-budget.ts';
import { endedBy, isGood } from './poll-incidents.ts';
import type { RefreshedFrom } from './refresh-from-any.ts';
import type { RefreshOutcome } from './refresh-outcome.ts';
import { type StateAfter, staleFrom, staleState, stateAfter } from './relationship-state.ts';

/** What keeping the state of a relationship takes. */
export interface RecordParts {
  readonly store: Store;
  readonly held: BundleSource;
  readonly trusted: Pick<TrustedBundles, 'isStale' | 'staleFrom'>;
  readonly endpointBundles: BundleSource;
  readonly clock: Clock;
  readonly log: Log;
}

/** The outcome of a poll that ran to its end. */
export type PollOutcome = Exclude<RefreshOutcome, { kind: 'called-off' }>;

/** What a poll changes about its relationship; never the terms, which are the operator's. */
type PollPatch = Pick<
  RelationshipPatch,
  'state' | 'stateReason' | 'lastAttemptAt' | 'lastSuccessAt' | 'consecutiveFailures'
> & { readonly nextPollAt: Date };

/**
 * One relationship as its polls leave it: in memory at once, then in the store, with the incidents
 * that begin and end.
 */
export class RelationshipRecord {
  readonly #parts: RecordParts;
  readonly #budget: ChangeBudget;
  #current: Relationship;
  /** An incident of an earlier run may still be open; after a good poll we know. */
  #incidentsMayBeOpen = true;

  constructor(parts: RecordParts, relationship: Relationship, budget: ChangeBudget) {
    this.#parts = parts;
    this.#budget = budget;
    this.#current = relationship;
    this.#limitAge();
  }

  /** The relationship as the last poll left it. */
  get current(): Relationship {
    return this.#current;
  }

  /** Takes over other parameters of the endpoint and other terms. */
  adopt(changed: Relationship): void {
    const { stateReason: _, ...agreed } = changed;
    const { state, stateReason, lastAttemptAt, lastSuccessAt, nextPollAt, consecutiveFailures } =
      this.#current;
    this.#current = {
      ...agreed,
      state,
      consecutiveFailures,
      ...defined({ stateReason, lastAttemptAt, lastSuccessAt, nextPollAt }),
    };
    this.#limitAge();
  }

  /** Records that no poll has succeeded for as long as the limit allows, and shows it. */
  async becomeStale(): Promise<void> {
    const { store, clock, log } = this.#parts;
    const { trustDomain, endpointUrl, state: before, stateReason } = this.#current;
    const otherwise = { state: before, reason: before === 'stale' ? null : (stateReason ?? null) };
    const { state, reason } = staleState(this.#current, otherwise);
    const { code, message } = reason ?? { code: 'trust-stale', message: 'too old' };
    this.#current = { ...this.#current, state, stateReason: { code, message } };
    this.#incidentsMayBeOpen = true;
    log.warn('the trust in a peer has become stale', { trustDomain, code, message });
    const at = clock.now();
    const about = { at, trustDomain, actor: 'agent', origin: endpointUrl, code, message };
    try {
      await store.updateRelationship(trustDomain, { state, stateReason: { code, message } });
      await store.recordIncident({ kind: 'trust-stale', ...about });
    } catch (error) {
      log.error('recording that the trust in a peer has become stale failed', {
        trustDomain,
        error,
      });
    }
  }

  /** Shows the outcome of a poll, in memory only. The next poll is in `delayMs`. */
  show(outcome: PollOutcome, delayMs: number): void {
    this.#apply(this.#patch(outcome, delayMs));
  }

  /**
   * Shows and writes the outcome of a poll, with the beginning or end of its incident. Begins no
   * incident once the signal aborts. Throws `StoreError`.
   */
  async remember(
    refreshed: RefreshedFrom,
    outcome: PollOutcome,
    delayMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { store, clock } = this.#parts;
    const { trustDomain } = this.#current;
    const patch = this.#patch(outcome, delayMs, refreshed);
    // Memory first: it is what the schedule and `status` go by, also when the disk is full.
    this.#apply(patch);
    await store.updateRelationship(trustDomain, patch);
    const at = clock.now();
    const { incident, offered, endpointUrl: origin } = refreshed;
    const why = refreshed.reason ?? ('code' in outcome ? outcome : undefined);
    if (signal.aborted) return;
    if (incident !== undefined && why) {
      this.#incidentsMayBeOpen = true;
      const { code, message } = why;
      await store.recordIncident({
        at,
        trustDomain,
        kind: incident,
        actor: 'agent',
        origin,
        code,
        message,
        ...defined({ offered, sequence: offered?.sequence }),
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
   * Whether an incident stays open for a later poll to end. The store keeps an incident open that
   * comes and goes, and a peer flaps until it is calm.
   */
  async #hasOpenIncident(): Promise<boolean> {
    const { trustDomain } = this.#current;
    const open = await this.#parts.store.incidents({ trustDomain, open: true, offers: false });
    const ended = endedBy(undefined, true);
    return open.some(({ kind }) => ended.includes(kind));
  }

  #patch(
    outcome: PollOutcome,
    delayMs: number,
    reported?: Pick<RefreshedFrom, 'incident' | 'reason'>,
  ): PollPatch {
    const { held, trusted, clock, endpointBundles } = this.#parts;
    const { trustDomain, profile, consecutiveFailures } = this.#current;
    const now = clock.now();
    const good = isGood(outcome);
    const missing = missingEndpointTrust(profile, endpointBundles, now);
    const after = this.#calming(stateAfter(outcome, missing, held.bundleFor(trustDomain), reported));
    const stale = !good && trusted.isStale(trustDomain);
    const { state, reason } = stale ? staleState(this.#current, after) : after;
    return {
      state,
      stateReason: reason,
      lastAttemptAt: now,
      ...(good ? { lastSuccessAt: now } : {}),
      nextPollAt: new Date(now.getTime() + delayMs),
      consecutiveFailures: good ? 0 : consecutiveFailures + 1,
    };
  }

  /** Shows a flapping peer as such until it is calm, also while one of its changes is accepted. */
  #calming(after: StateAfter): StateAfter {
    if (after.state !== 'active' || after.reason || !this.#budget.isFlapping) return after;
    const message = this.#budget.describe(this.#current.trustDomain);
    return { state: 'flapping', reason: { code: 'peer-flapping', message } };
  }

  #apply(patch: PollPatch): void {
    const { stateReason: _, ...before } = this.#current;
    const { stateReason, lastSuccessAt, lastAttemptAt, ...rest } = patch;
    this.#current = {
      ...before,
      ...rest,
      ...defined({
        stateReason: stateReason ?? undefined,
        lastSuccessAt: lastSuccessAt ?? undefined,
        lastAttemptAt: lastAttemptAt ?? undefined,
      }),
    };
    this.#limitAge();
  }

  #limitAge(): void {
    this.#parts.trusted.staleFrom(this.#current.trustDomain, staleFrom(this.#current));
  }
}
