import type { KeyObject } from 'node:crypto';
import { defined } from '../../objects/index.ts';
import { type Clock, type Log, pause } from '../../platform/index.ts';
import type { SpiffeId } from '../../spiffe/index.ts';
import type { CertificateAuthority } from './certificate-authority.ts';

/** The holder of an SVID, and the name of its secret. */
export interface IdentityHolder {
  readonly name: string;
  readonly id: SpiffeId;
  /** DNS names in addition to the ID; none for workloads. */
  readonly dnsSans?: readonly string[];
}

/** The SVID a workload runs with now. */
export interface WorkloadSvid {
  readonly id: SpiffeId;
  /** Leaf first. */
  readonly chain: readonly Uint8Array[];
  readonly privateKey: KeyObject;
  readonly notAfter: Date;
  readonly rootNumber: number;
  /** Counts from 1 since this process started. */
  readonly generation: number;
}

const RETRY_MS = 1000;

/**
 * Keeps every workload supplied with a short-lived SVID: issued at start, renewed at half its life,
 * re-issued on demand.
 */
export class WorkloadIdentities {
  readonly #authority: CertificateAuthority;
  readonly #workloads: readonly IdentityHolder[];
  readonly #ttlMs: number;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #onRenewed: (workload: IdentityHolder) => void;
  readonly #svids = new Map<string, WorkloadSvid>();
  readonly #renewAt = new Map<string, number>();
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  /** Ends the present sleep when the times of renewal have changed. */
  #wake = new AbortController();

  constructor(options: {
    readonly authority: CertificateAuthority;
    readonly workloads: readonly IdentityHolder[];
    readonly ttlMs: number;
    readonly clock: Clock;
    readonly log: Log;
    readonly onRenewed: (workload: IdentityHolder) => void;
  }) {
    if (!(options.ttlMs >= 1000)) throw new RangeError('the life of an SVID is at least one second');
    this.#authority = options.authority;
    this.#workloads = options.workloads;
    this.#ttlMs = options.ttlMs;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#onRenewed = options.onRenewed;
  }

  /**
   * Issues the first SVID of every workload, then keeps renewing until `stop`. Throws what the CA
   * throws.
   */
  async start(): Promise<void> {
    await this.reissueAll();
    this.#running = this.#renewForever();
  }

  current(name: string): WorkloadSvid | undefined {
    return this.#svids.get(name);
  }

  /** Gives every workload a new SVID now, as after a change of the signing root. */
  async reissueAll(): Promise<void> {
    await Promise.all(this.#workloads.map((workload) => this.#issue(workload)));
    this.#wake.abort();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #issue(workload: IdentityHolder): Promise<void> {
    const leaf = await this.#authority.issueLeaf({
      uri: workload.id,
      ttlMs: this.#ttlMs,
      ...defined({ dnsSans: workload.dnsSans }),
    });
    const generation = (this.#svids.get(workload.name)?.generation ?? 0) + 1;
    this.#svids.set(workload.name, { id: workload.id, generation, ...leaf });
    this.#renewAt.set(workload.name, leaf.notAfter.getTime() - this.#ttlMs / 2);
    this.#log.info('SVID issued', {
      workload: workload.name,
      spiffeId: workload.id,
      notAfter: leaf.notAfter,
      rootNumber: leaf.rootNumber,
    });
    this.#onRenewed(workload);
  }

  async #renewForever(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const now = this.#clock.now().getTime();
      const due = this.#workloads.filter(({ name }) => (this.#renewAt.get(name) ?? now) <= now);
      await Promise.all(due.map((workload) => this.#renew(workload)));
      this.#wake = new AbortController();
      const next = Math.min(...this.#renewAt.values());
      const wait = Math.max(0, Math.min(next, Number.MAX_SAFE_INTEGER) - this.#clock.now().getTime());
      // Woken: either the end, which the loop's condition sees, or new times of renewal.
      await pause(this.#clock, wait, AbortSignal.any([this.#stopping.signal, this.#wake.signal]));
    }
  }

  async #renew(workload: IdentityHolder): Promise<void> {
    try {
      await this.#issue(workload);
    } catch (error) {
      // The held SVID is valid for the other half of its life; the cause (a full disk, for example)
      // may pass.
      this.#renewAt.set(workload.name, this.#clock.now().getTime() + RETRY_MS);
      this.#log.error('SVID not renewed', { workload: workload.name, spiffeId: workload.id, error });
    }
  }
}
