import type { ForeignTrustPublisher, ForeignTrustReport } from '../mesh-adapters/index.ts';
import { type Clock, within } from '../platform/index.ts';
import type { TrustDomain } from '../spiffe/index.ts';

/** The mesh's last report on each foreign trust domain that it trusts, or may trust. */
export class MeshReports {
  readonly #reports = new Map<TrustDomain, ForeignTrustReport>();
  /** The last reports on removed trust domains that still need an action. */
  readonly #farewells = new Map<TrustDomain, ForeignTrustReport>();
  readonly #watching = new Set<() => void>();

  /**
   * Returns whether the report differs from the one before it. An equal report, or the same failure
   * for another reason, keeps the instant of the first.
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

  /**
   * The report that a trust domain is gone, where it has more to report; undefined once there is
   * another one.
   */
  farewellOf(trustDomain: TrustDomain): ForeignTrustReport | undefined {
    return this.#farewells.get(trustDomain);
  }

  list(): readonly ForeignTrustReport[] {
    return [...this.#reports.values()];
  }

  /**
   * Waits until the mesh was compared with what it should hold now, and `isDone` accepts the report
   * of a trust domain. Waits for `ms` at most, or until the signal aborts. Returns that report.
   * Without a comparison in that time the report proves nothing.
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
    const { clock, ms, isDone, signal } = waiting;
    let wasCompared = false;
    const compare = async (over: AbortSignal) => {
      await publisher.settled();
      wasCompared = !over.aborted;
      await this.#until(trustDomain, isDone, over);
    };
    await within(clock, ms, compare, signal);
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
