import type { Clock, Log, Metrics } from '../platform/index.ts';
import type { TrustDomain } from '../spiffe/index.ts';
import type { Relationship, Store } from '../store/index.ts';
import { ConflictObservers } from './conflict-observers.ts';
import type { ViewConflictCode } from './judge-views.ts';

/**
 * What comparing views can bring to light: an endpoint that shows different bundles · a bundle of
 * ours that we never published · a peer's history that was doctored, or our own.
 */
export type ConflictCode =
  | ViewConflictCode
  | 'never-published'
  | 'history-taken-back'
  | 'own-history-doctored';

/** One conflict, as it is reported. */
export interface Conflict {
  readonly code: ConflictCode;
  /** Whose bundle or history it is. */
  readonly subject: TrustDomain;
  /** The peer whose statement shows it. */
  readonly observer: TrustDomain;
  readonly message: string;
}

const KINDS = ['equivocation', 'history-doctored'] as const;
type Kind = (typeof KINDS)[number];
const MAX_OPEN = 10_000;

function kindOf(code: ConflictCode): Kind {
  return code === 'history-taken-back' || code === 'own-history-doctored'
    ? 'history-doctored'
    : 'equivocation';
}

/**
 * Reports a conflict until the statements of the same peer fit again: an incident with its event,
 * an error in the log, a count for alarms.
 */
export class ConflictRecord {
  readonly #parts: { readonly store: Store; readonly clock: Clock; readonly log: Log };
  readonly #count: { inc(labels: { code: string }): void };
  readonly #observers: ConflictObservers;

  constructor(parts: {
    readonly store: Store;
    readonly clock: Clock;
    readonly log: Log;
    readonly metrics: Metrics;
    readonly relationships: () => readonly Relationship[];
  }) {
    this.#parts = parts;
    this.#observers = new ConflictObservers(parts.store, (name) =>
      parts.relationships().some(({ trustDomain }) => trustDomain === name),
    );
    this.#count = parts.metrics.counter(
      'federate_equivocations_total',
      'Endpoints found to show different bundles, and histories found doctored, by code',
      ['code'],
    );
  }

  /** Something does not fit. Rejects with `StoreError`. */
  async report({ code, subject, observer, message }: Conflict): Promise<void> {
    const { store, clock, log } = this.#parts;
    const kind = kindOf(code);
    await this.#observers.add(nameOf(subject, kind), observer);
    const incident = { kind, code, message, trustDomain: subject, at: clock.now(), actor: 'agent' };
    const state = await store.recordIncident({ ...incident, origin: `the agent of ${observer}` });
    if (state === 'ongoing') return;
    this.#count.inc({ code });
    log.error('what peers saw does not fit', { code, subject, observer, reason: message });
  }

  /** Records that the observer's statement about the subject fits. Rejects with `StoreError`. */
  async fits(subject: TrustDomain, observer: TrustDomain, kind: Kind): Promise<void> {
    await this.#observers.delete(nameOf(subject, kind), observer);
    if ((await this.#observers.of(nameOf(subject, kind))).size > 0) return;
    const { store, clock } = this.#parts;
    await store.endIncidents({ trustDomain: subject, at: clock.now(), actor: 'agent', kinds: [kind] });
  }

  /** This peer is not one any more: what only it reported is over. Rejects with `StoreError`. */
  async forget(observer: TrustDomain): Promise<void> {
    const open = await this.#parts.store.incidents({ open: true, offers: false, limit: MAX_OPEN });
    for (const { trustDomain: subject, kind } of open) {
      const known = KINDS.find((each) => each === kind);
      if (known && (await this.#observers.of(nameOf(subject, known))).has(observer))
        await this.fits(subject, observer, known);
    }
  }
}

function nameOf(subject: TrustDomain, kind: Kind): string {
  return `${kind} ${subject}`;
}
