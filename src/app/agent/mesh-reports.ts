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
    for (const watching of this.#watching) watching();
    return !same;
  }

  of(trustDomain: TrustDomain): ForeignTrustReport | undefined {
    return this.#reports.get(trustDomain);
  }

  list(): readonly ForeignTrustReport[] {
    return [...this.#reports.values()];
  }

  /**
   * What the mesh still has of a trust domain that was taken from what it should hold: undefined once it has nothing. Waits for
   * that, at the most `ms`, and no longer than until the mesh has failed to let go of it.
   */
  async afterRemoval(
    trustDomain: TrustDomain,
    publisher: ForeignTrustPublisher,
    { clock, ms }: { readonly clock: Clock; readonly ms: number },
  ): Promise<ForeignTrustReport | undefined> {
    const waiting = new AbortController();
    const late = clock.sleep(ms, waiting.signal).catch(() => {});
    await Promise.race([late, publisher.settled().then(() => this.#settled(trustDomain, waiting.signal))]);
    waiting.abort();
    return this.of(trustDomain);
  }

  /** Resolves when the mesh has let go of the trust domain, or has failed to, or when the signal aborts. */
  #settled(trustDomain: TrustDomain, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        const state = this.of(trustDomain)?.state;
        if (!signal.aborted && state !== undefined && state !== 'failed' && state !== 'refused') return;
        this.#watching.delete(look);
        resolve();
      };
      this.#watching.add(look);
      signal.addEventListener('abort', look, { once: true });
      look();
    });
  }
}
