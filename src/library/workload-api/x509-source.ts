import type { Svid, SvidSource } from '../../mtls/index.ts';
import { defined } from '../../objects/index.ts';
import type { SpiffeId, TrustBundle, TrustDomain } from '../../spiffe/index.ts';
import {
  createWorkloadSvidSource,
  type OfferedSvid,
  WorkloadX509Client,
  type WorkloadSvidSource,
} from '../../workload-api/index.ts';
import { type SourceOptions, surroundingsOf, WorkloadSource } from './workload-source.ts';

/** Which of several SVIDs is ours. Without a choice it is the first, the default identity. */
export interface X509SourceOptions extends SourceOptions {
  readonly spiffeId?: SpiffeId;
  /** The hint that the operator gave the SVID. */
  readonly hint?: string;
}

/**
 * Our X509-SVID and the X.509 bundles, kept fresh by a Workload API (`FetchX509SVID`). It is both a
 * source of the SVID to present and a source of bundles to verify peers with.
 */
export class X509Source extends WorkloadSource implements SvidSource {
  readonly #client: WorkloadX509Client;
  readonly #svid: WorkloadSvidSource;

  private constructor({ spiffeId, hint, ...options }: X509SourceOptions) {
    const surroundings = surroundingsOf(options);
    super(surroundings.address.uri);
    this.#client = new WorkloadX509Client({
      ...surroundings,
      onProblem: (problem) => this.reportProblem(problem),
    });
    const choice = { ...(spiffeId ? { spiffeId } : {}), ...defined({ hint }) };
    this.#svid = createWorkloadSvidSource(this.#client, choice, surroundings);
    this.#client.onChange(() => this.reportUpdate());
  }

  /**
   * Opens a source and waits for the first update. Rejects with `WorkloadApiError`
   * `endpoint-address-missing`, `endpoint-address-invalid`, `no-update`, `refused`.
   */
  static async create(options: X509SourceOptions = {}): Promise<X509Source> {
    const source = new X509Source(options);
    source.#client.start();
    return source.opened(options.signal);
  }

  /** Our SVID now; undefined after it has expired or was revoked, and after `close`. */
  current(): Svid | undefined {
    return this.closed ? undefined : this.#svid.current();
  }

  /** Every SVID that the Workload API offers, the default identity first. */
  offered(): readonly OfferedSvid[] {
    return this.closed ? [] : this.#client.svids;
  }

  /** @internal */
  protected isReady(): boolean {
    return this.#svid.current() !== undefined;
  }

  /** @internal */
  protected bundle(trustDomain: TrustDomain): TrustBundle | undefined {
    return this.#client.bundles.bundleFor(trustDomain);
  }

  /** @internal */
  protected async stop(): Promise<void> {
    this.#svid.stop();
    await this.#client.stop();
  }
}
