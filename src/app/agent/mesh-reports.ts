import type { ForeignTrustPublisher, ForeignTrustReport } from '../../mesh-adapters/index.ts';
import type { Clock } from '../../platform/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';

/** The last word of the mesh about each foreign trust domain of which it has, or may have, something. */
export class MeshReports {
  readonly #reports = new Map<TrustDomain, ForeignTrustReport>();
  /** What was said last of those that are gone, where it asks for something. */
  readonly #farewells = new Map<TrustDomain, ForeignTrustReport>();
  readonly #watching = new Set<() => void>();

  /**
   * Whether it says something else than the one before it. What says the same, or that the same fails for another reason, keeps the
   * instant at which it was said first.
   */
  note(report: ForeignTrustReport): boolean {
    const { trustDomain, state, digest, code } = report;
    const before = this.#reports.get(trustDomain);
    const goesOn = before?.state === state && before.digest === digest;
    const same = goesOn && before.code === code;
    const at = goesOn && (same || state === 'failed') ? before.at : report.at;
    if (state === 'removed') {
      this.#reports.delete(trustDomain);
      if (code !== undefined) this.#farewells.set(trustDomain, report);
    } else {
      this.#reports.set(trustDomain, { ...report, at });
      this.#farewells.delete(trustDomain);
    }
    for (const look of this.#watching) look();
    return !same;
  }

  of(trustDomain: TrustDomain): ForeignTrustReport | undefined {
    return this.#reports.get(trustDomain);
  }

  /** The report that a trust domain is gone, where it says more than that; undefined once there is another one. */
  farewellOf(trustDomain: TrustDomain): ForeignTrustReport | undefined {
    return this.#farewells.get(trustDomain);
  }

  list(): readonly ForeignTrustReport[] {
    return [...this.#reports.values()];
  }

  /**
   * What there is of a trust domain after the mesh was compared with what it should hold now, and `isDone` holds of that; at the
   * latest after `ms`, or when the signal aborts. Where it was not compared by then, what there is tells nothing.
   */
  async after(
    trustDomain: TrustDomain,
    publisher: Pick<ForeignTrustPublisher, 'settled'>,
    waiting: {
      readonly isDone: (report: ForeignTrustReport | undefined) => boolean;
      readonly clock: Clock;
      readonly ms: number;
      readonly signal: AbortSignal;
    },
  ): Promise<{ readonly wasCompared: boolean; readonly report: ForeignTrustReport | undefined }> {
    const ending = new AbortController();
    const over = AbortSignal.any([ending.signal, waiting.signal]);
    let wasCompared = false;
    const late = waiting.clock.sleep(waiting.ms, over).catch(() => {});
    const done = publisher.settled().then(() => {
      wasCompared = !over.aborted;
      return this.#until(trustDomain, waiting.isDone, over);
    });
    await Promise.race([late, done]);
    ending.abort();
    return { wasCompared, report: this.of(trustDomain) };
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
