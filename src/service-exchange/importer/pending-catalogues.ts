import type { TrustDomain } from '../../spiffe/index.ts';
import type { Catalogue, SuspiciousChange } from '../../services/index.ts';

/** A proven catalogue with a suspicious change. It waits for the operator, or the operator rejected it. */
export interface PendingCatalogue {
  readonly catalogue: Catalogue;
  /** `catalogueDigest` of its content. */
  readonly digest: string;
  readonly changes: readonly SuspiciousChange[];
  readonly status: 'waiting' | 'rejected';
  /** When this content was seen first, and when last. */
  readonly since: Date;
  readonly lastAt: Date;
}

/** The newest catalogue of each peer that does not count because of a suspicious change. */
export class PendingCatalogues {
  readonly #pending = new Map<TrustDomain, PendingCatalogue>();

  of(trustDomain: TrustDomain): PendingCatalogue | undefined {
    return this.#pending.get(trustDomain);
  }

  list(): readonly (readonly [TrustDomain, PendingCatalogue])[] {
    return [...this.#pending];
  }

  /** Notes a catalogue that was seen now. */
  note(trustDomain: TrustDomain, pending: Omit<PendingCatalogue, 'since' | 'lastAt'>, now: Date): void {
    const before = this.#pending.get(trustDomain);
    const since = before?.digest === pending.digest ? before.since : now;
    this.#pending.set(trustDomain, { ...pending, since, lastAt: now });
  }

  drop(trustDomain: TrustDomain): void {
    this.#pending.delete(trustDomain);
  }

  /** The waiting change that concerns a service: its own, or one of the whole list that lacks it. */
  suspicionOf(trustDomain: TrustDomain, service: string): SuspiciousChange | undefined {
    const pending = this.#pending.get(trustDomain);
    if (pending?.status !== 'waiting') return undefined;
    const isListed = pending.catalogue.services.some(({ id }) => id === service);
    return pending.changes.find((change) =>
      change.service === undefined ? !isListed : change.service === service,
    );
  }
}
