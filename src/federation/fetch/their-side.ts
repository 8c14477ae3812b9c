import { defined } from '../../objects/index.ts';
import type { Clock, Log } from '../../platform/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import type { Store } from '../../store/index.ts';

/**
 * The header with which a peer's endpoint reports, to a caller who has proved its identity, that it
 * holds a relationship with the caller. For operators only.
 */
export const RELATIONSHIP_HEADER = 'federate-relationship';

/** What the answer to an identified request reports: a relationship with us, or nothing. */
export type TheirReport = 'held' | 'nothing';

/** The relationship from the peer's side, as far as its endpoint reports it. */
export interface TheirSide {
  readonly state: 'held' | 'ended';
  readonly since: Date;
  /** When the peer last reported that it holds one, since the agent started. */
  readonly reportedAt?: Date;
}

/** An endpoint may fail to prove one request in time; it had all the time of two held ones. */
const SILENT_ANSWERS = 2;

/**
 * Remembers whether a peer still holds a relationship with us. Its endpoint reports one only to a
 * caller who has proved its identity. So silence counts only after a first report: two held
 * requests without a report mean that the relationship has ended. Operators see this; it changes no
 * trust. Other products never report it.
 */
export class TheirSides {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #known = new Map<TrustDomain, TheirSide>();
  readonly #silent = new Map<TrustDomain, number>();

  constructor(options: { readonly store: Store; readonly clock: Clock; readonly log: Log }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  of(trustDomain: TrustDomain): TheirSide | undefined {
    return this.#known.get(trustDomain);
  }

  /** Takes up what was on record before the start. Throws `StoreError`. */
  async load(): Promise<void> {
    for (const { kind, trustDomain, at } of await this.#store.incidents({
      open: true,
      offers: false,
      limit: 10_000,
    }))
      if (kind === 'peer-dropped-us') this.#known.set(trustDomain, { state: 'ended', since: at });
  }

  /** The relationship is gone on our side. */
  forget(trustDomain: TrustDomain): void {
    this.#known.delete(trustDomain);
    this.#silent.delete(trustDomain);
  }

  /**
   * An identified request was answered; `held` is whether it was held until its time was up.
   * Never rejects.
   */
  async note(trustDomain: TrustDomain, origin: string, report: TheirReport, held: boolean): Promise<void> {
    const before = this.#known.get(trustDomain);
    const at = this.#clock.now();
    if (report === 'held') {
      this.#silent.delete(trustDomain);
      const isNew = before?.state !== 'held';
      this.#known.set(trustDomain, { state: 'held', since: isNew ? at : before.since, reportedAt: at });
      if (!isNew) return;
      if (before) await this.#record(() => this.#end(trustDomain, at));
      return;
    }
    if (!held || before?.state !== 'held') return;
    const silent = (this.#silent.get(trustDomain) ?? 0) + 1;
    this.#silent.set(trustDomain, silent);
    if (silent < SILENT_ANSWERS) return;
    const { reportedAt } = before;
    this.#known.set(trustDomain, { state: 'ended', since: at, ...defined({ reportedAt }) });
    this.#log.warn('a peer seems to have ended its relationship with us', { trustDomain });
    const message = `${trustDomain} seems to hold no relationship with us any more: it takes our bundle no longer, and our workloads will be refused there`;
    const about = { at, trustDomain, actor: 'agent', origin, code: 'peer-dropped-us', message };
    await this.#record(() => this.#store.recordIncident({ kind: 'peer-dropped-us', ...about }));
  }

  async #end(trustDomain: TrustDomain, at: Date): Promise<void> {
    await this.#store.endIncidents({ trustDomain, at, actor: 'agent', kinds: ['peer-dropped-us'] });
  }

  async #record(write: () => Promise<unknown>): Promise<void> {
    try {
      await write();
    } catch (error) {
      this.#log.error("what a peer's endpoint reports of its side could not be put on record", { error });
    }
  }
}
