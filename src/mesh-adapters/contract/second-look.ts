import type { Clock } from '../../platform/index.ts';
import { bundleOf, bundlesEqual, diffBundles, type TrustBundle } from '../../spiffe/index.ts';
import { MeshAdapterError } from './errors.ts';
import type { OwnTrust } from './mesh-adapter.ts';

/** A file that a slow command writes in parts is complete after this time. */
const LEAST_MS = 5000;
/** A place that cannot be read is looked at ever more rarely, up to this pause. */
const MOST_MS = 60_000;
/**
 * A place that is written all the time confirms nothing for this long. Then the same trust counts.
 */
const UNQUIET_MS = 60_000;

/** How the source of the own trust is read a second time. */
export interface SecondLookOptions {
  /** Reads the own trust now. Throws `MeshAdapterError`. */
  readonly look: (signal: AbortSignal) => Promise<OwnTrust>;
  /**
   * How often the source is polled. The second look comes one poll later, and not before five
   * seconds.
   */
  readonly pollMs?: number;
  /**
   * What shows that the place was written again, also where the trust in it reads the same. A place
   * that is written between the looks waits again, for a minute in all.
   */
  readonly marks?: () => Promise<string>;
  readonly onTrouble: (error: MeshAdapterError) => void;
  readonly clock: Clock;
}

/**
 * Holds back that one of our roots is gone until a second look confirms it. Because a writer may
 * write the source in parts, as `cat` writes a PEM file, a root that is missing once may only be
 * late. Publishing its end revokes every identity under it at every peer. A new root is reported at
 * once.
 */
export class SecondLook {
  readonly #options: SecondLookOptions;
  /** The last report in which nothing was missing by accident. */
  #confirmed: OwnTrust | undefined;
  /** The report that a second look is to confirm, unless that is over. */
  #waiting: { readonly own: OwnTrust; readonly over: AbortSignal } | undefined;
  #ending: AbortController | undefined;

  constructor(options: SecondLookOptions) {
    this.#options = options;
  }

  /** Takes one look, and emits it; again as confirmed once a second look found the same. */
  take(own: OwnTrust, emit: (own: OwnTrust) => void, signal: AbortSignal): void {
    if (this.#confirmed && !isAnyMissing(own, this.#confirmed)) {
      this.#confirm(own, emit);
      return;
    }
    if (this.#waiting && !this.#waiting.over.aborted && sameTrust(this.#waiting.own, own)) return;
    this.#ending?.abort();
    const ending = new AbortController();
    const over = AbortSignal.any([signal, ending.signal]);
    this.#ending = ending;
    this.#waiting = { own, over };
    emit({ ...own, isConfirmed: false });
    void this.#lookAgain(own, emit, over, signal);
  }

  /** Returns what counts of this look: its content and what it lacks without confirmation. */
  counting(own: OwnTrust): OwnTrust {
    return this.#confirmed ? withMissing(own, this.#confirmed) : own;
  }

  #confirm(own: OwnTrust, emit: (own: OwnTrust) => void): void {
    this.#ending?.abort();
    this.#waiting = undefined;
    this.#confirmed = own;
    emit(own);
  }

  async #lookAgain(
    own: OwnTrust,
    emit: (own: OwnTrust) => void,
    over: AbortSignal,
    signal: AbortSignal,
  ): Promise<void> {
    const { look, pollMs = 0, marks = async () => '', onTrouble, clock } = this.#options;
    const sinceMs = clock.monotonicMs();
    let pauseMs = Math.max(pollMs, LEAST_MS);
    for (;;) {
      try {
        const before = await marks();
        await clock.sleep(pauseMs, over);
        const again = await look(over);
        const isQuiet = before === (await marks());
        if (over.aborted) return;
        if (!sameTrust(again, own)) {
          this.take(again, emit, signal);
          return;
        }
        if (isQuiet || clock.monotonicMs() - sinceMs >= UNQUIET_MS) {
          this.#confirm(again, emit);
          return;
        }
      } catch (error) {
        if (over.aborted) return;
        if (!(error instanceof MeshAdapterError)) throw error;
        // A source that cannot be read confirms nothing.
        onTrouble(error);
        pauseMs = Math.max(pollMs, Math.min(2 * pauseMs, MOST_MS));
      }
    }
  }
}

/**
 * Adds to the report the roots and JWT keys of `before` that it lacks; adds nothing of another
 * trust domain.
 */
export function withMissing(
  own: OwnTrust,
  before: Pick<OwnTrust, 'trustDomain' | 'roots' | 'jwtAuthorities'>,
): OwnTrust {
  if (own.trustDomain !== before.trustDomain) return own;
  const { keptX509, removedX509, addedX509, keptJwt, removedJwt, addedJwt } = diffBundles(
    asBundle(before),
    asBundle(own),
  );
  return {
    ...own,
    roots: [...keptX509, ...removedX509, ...addedX509],
    jwtAuthorities: [...keptJwt, ...removedJwt, ...addedJwt],
  };
}

function isAnyMissing(own: OwnTrust, before: OwnTrust): boolean {
  if (own.trustDomain !== before.trustDomain) return false;
  const { removedX509, removedJwt } = diffBundles(asBundle(before), asBundle(own));
  return removedX509.length > 0 || removedJwt.length > 0;
}

function sameTrust(a: OwnTrust, b: OwnTrust): boolean {
  return bundlesEqual(asBundle(a), asBundle(b)) && signingOf(a) === signingOf(b);
}

function signingOf({ signing }: OwnTrust): string | undefined {
  return signing?.toSorted().join();
}

function asBundle({
  trustDomain,
  roots,
  jwtAuthorities = [],
}: Pick<OwnTrust, 'trustDomain' | 'roots' | 'jwtAuthorities'>): TrustBundle {
  return bundleOf(trustDomain, roots, { jwtAuthorities });
}
