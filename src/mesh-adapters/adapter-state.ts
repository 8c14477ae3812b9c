import { type Clock, describeError, type Log } from '../platform/index.ts';
import type { AdapterStatus, ForeignTrustReport } from './mesh-adapter.ts';

/** What an adapter remembers of how it stands with its mesh, and who wants to hear of changes. */
export class AdapterState {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #listeners = new Set<(report: ForeignTrustReport) => void>();
  #status: AdapterStatus = { connected: false, code: 'not-contacted', message: 'the mesh was not asked yet' };

  constructor(options: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = options.clock;
    this.#log = options.log;
  }

  get status(): AdapterStatus {
    return this.#status;
  }

  /** The mesh answered. */
  contact(): void {
    if (!this.#status.connected) this.#log.info('mesh answers');
    this.#status = { connected: true, lastContactAt: this.#clock.now() };
  }

  /** The mesh did not answer, or not with what we can use. The same trouble again is not logged again. */
  trouble(error: unknown): void {
    const { code = 'mesh-failed', message } = describeError(error);
    if (this.#status.code !== code) this.#log.warn('mesh cannot be read or written', { code, error });
    const { lastContactAt } = this.#status;
    this.#status = { connected: false, code, message, ...(lastContactAt && { lastContactAt }) };
  }

  onReport(listener: (report: ForeignTrustReport) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  report(report: ForeignTrustReport): void {
    for (const listener of this.#listeners) listener(report);
  }
}
