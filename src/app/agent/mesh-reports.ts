import type { ForeignTrustPublisher, ForeignTrustReport } from '../../mesh-adapters/index.ts';
import type { Clock } from '../../platform/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';

/** The last word of the mesh about each foreign trust domain of which it has, or may have, something. */
export class MeshReports {
  readonly #reports = new Map<TrustDomain, ForeignTrustReport>();
  readonly #watching = new Set<() => void>();

  /** Whether it says something else than the one before it. What says the same keeps the instant at which it was said first. */
  note(report: ForeignTrustReport): boolean {
    const { trustDomain, state, digest, code } = report;
    const before = this.#reports.get(trustDomain);
    const same = before?.state === state && before.digest === digest && before.code === code;
    if (state === 'removed') this.#reports.delete(trustDomain);
    else this.#reports.set(trustDomain, same ? { ...report, at: before.at } : report);
    for (const look of this.#watching) look();
    return !same;
  }

  of(trustDomain: TrustDomain): ForeignTrustReport | undefined {
    return this.#reports.get(trustDomain);
  }

  list(): readonly ForeignTrustReport[] {
    return [...this.#reports.values()];
  }

  /**
   * What there is of a trust domain after the mesh was compared with what it should hold now, and `isDone` holds of that; at the
   * latest after `ms`.
   */
  async after(
    trustDomain: TrustDomain,
    publisher: Pick<ForeignTrustPublisher, 'settled'>,
    waiting: {
      readonly isDone: (report: ForeignTrustReport | undefined) => boolean;
      readonly clock: Clock;
      readonly ms: number;
    },
  ): Promise<ForeignTrustReport | undefined> {
    const ending = new AbortController();
    const late = waiting.clock.sleep(waiting.ms, ending.signal).catch(() => {});
    const done = publisher.settled().then(() => this.#until(trustDomain, waiting.isDone, ending.signal));
    await Promise.race([late, done]);
    ending.abort();
    return this.of(trustDomain);
  }

  #until(
    trustDomain: TrustDomain,
    isDone: (report: ForeignTrustReport | undefined) => boolean,
    signal: AbortSignal,
  ): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!signal.aborted && !isDone(this.of(trustDomain))) return;
        this.#watching.delete(look);
        resolve();
      };
      this.#watching.add(look);
      signal.addEventListener('abort', look, { once: true });
      look();
    });
  }
}
