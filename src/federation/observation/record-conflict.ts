import type { Clock, Log, Metrics } from '../../platform/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import type { Store } from '../../store/index.ts';
import type { ViewConflictCode } from './judge-views.ts';

/**
 * What comparing views can bring to light: an endpoint that shows different bundles · a bundle of ours that we never published · a
 * peer's history that was doctored, or our own.
 */
export type ConflictCode =
  | ViewConflictCode
  | 'never-published'
  | 'history-taken-back'
  | 'own-history-doctored';

/** One of them, as it is told. */
export interface Conflict {
  readonly code: ConflictCode;
  /** Whose bundle or history it is. */
  readonly subject: TrustDomain;
  /** The peer from whose words it is known. */
  readonly observer: TrustDomain;
  readonly message: string;
}

const KINDS = ['equivocation', 'history-doctored'] as const;
type Kind = (typeof KINDS)[number];

function kindOf(code: ConflictCode): Kind {
  return code === 'history-taken-back' || code === 'own-history-doctored'
    ? 'history-doctored'
    : 'equivocation';
}

/**
 * Says loudly what was found, and keeps saying it until the same peer's words fit again: an incident with its event, an error in the
 * log, a count for alarms.
 */
export class ConflictRecord {
  readonly #parts: { readonly store: Store; readonly clock: Clock; readonly log: Log };
  readonly #count: { inc(labels: { code: string }): void };
  /** Who says so, by subject and kind. */
  readonly #observers = new Map<string, Set<TrustDomain>>();

  constructor(parts: {
    readonly store: Store;
    readonly clock: Clock;
    readonly log: Log;
    readonly metrics: Metrics;
  }) {
    this.#parts = parts;
    this.#count = parts.metrics.counter(
      'federate_equivocations_total',
      'Endpoints found to show different bundles, and histories found doctored, by code',
      ['code'],
    );
  }

  /** Something does not fit. Rejects with `StoreError`. */
  async tell({ code, subject, observer, message }: Conflict): Promise<void> {
    const { store, clock, log } = this.#parts;
    const kind = kindOf(code);
    this.#observersOf(subject, kind).add(observer);
    const incident = { kind, code, message, trustDomain: subject, at: clock.now(), actor: 'agent' };
    const told = await store.recordIncident({ ...incident, origin: `the agent of ${observer}` });
    if (told === 'ongoing') return;
    this.#count.inc({ code });
    log.error('what peers saw does not fit', { code, subject, observer, reason: message });
  }

  /** What this observer says about the subject fits. Rejects with `StoreError`. */
  async fits(subject: TrustDomain, observer: TrustDomain, kind: Kind): Promise<void> {
    const observers = this.#observersOf(subject, kind);
    observers.delete(observer);
    if (observers.size > 0) return;
    const { store, clock } = this.#parts;
    await store.endIncidents({ trustDomain: subject, at: clock.now(), actor: 'agent', kinds: [kind] });
  }

  #observersOf(subject: TrustDomain, kind: Kind): Set<TrustDomain> {
    const name = `${kind} ${subject}`;
    const known = this.#observers.get(name) ?? new Set();
    this.#observers.set(name, known);
    return known;
  }
}
