import type { Clock, Random } from '../platform/index.ts';
import type { TrustDomain } from '../spiffe/index.ts';
import type { Relationship } from '../store/index.ts';
import { agentOf } from '../federation/index.ts';

/** A peer's agent is asked this often, a changed one soon. */
const ASK_EVERY_MS = 5 * 60_000;
const SOON_MS = 2000;
/**
 * An endpoint that knows nothing of this is asked again after a minute, then less and less often,
 * down to once an hour.
 */
const FIRST_REFUSED_MS = 60_000;
const RARELY_MS = 60 * 60_000;

/** When each peer's agent is asked next. */
export class AskSchedule {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #dueMs = new Map<TrustDomain, number>();
  /** How often in a row a peer's endpoint knew nothing of this. */
  readonly #refusals = new Map<TrustDomain, number>();

  constructor({ clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Asks this peer soon. Further calls do not delay that. */
  soon(trustDomain: TrustDomain): void {
    const soonMs = this.#clock.monotonicMs() + SOON_MS;
    this.#dueMs.set(trustDomain, Math.min(soonMs, this.#dueMs.get(trustDomain) ?? soonMs));
  }

  /** The relationship is over. */
  forget(trustDomain: TrustDomain): void {
    this.#dueMs.delete(trustDomain);
  }

  /** Those relationships whose agents are to be asked now. */
  due(relationships: readonly Relationship[]): readonly Relationship[] {
    const now = this.#clock.monotonicMs();
    return relationships.filter((relationship) => {
      if (relationship.profile.kind === 'signed_bundle' || !agentOf(relationship)) return false;
      const { trustDomain } = relationship;
      const at = this.#dueMs.get(trustDomain);
      // A new one, or all of them after a start: not all in one moment.
      if (at === undefined) this.#dueMs.set(trustDomain, now + SOON_MS + this.#random.fraction() * SOON_MS);
      return at !== undefined && at <= now;
    });
  }

  /** A peer's agent was asked. `known` is whether its endpoint knows such requests. */
  asked(trustDomain: TrustDomain, known: boolean): void {
    const refusals = known ? 0 : (this.#refusals.get(trustDomain) ?? 0) + 1;
    this.#refusals.set(trustDomain, refusals);
    // The first retry comes soon, because the other side is often just adding us.
    const wait =
      refusals === 0 ? ASK_EVERY_MS : Math.min(FIRST_REFUSED_MS * 2 ** Math.min(refusals - 1, 10), RARELY_MS);
    this.#dueMs.set(trustDomain, this.#clock.monotonicMs() + wait * (0.9 + 0.2 * this.#random.fraction()));
  }
}
