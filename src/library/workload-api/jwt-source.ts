import type { TrustBundle, TrustDomain } from '../../spiffe/index.ts';
import {
  type FetchedJwtSvid,
  fetchJwtSvids,
  type JwtSvidQuery,
  WorkloadApiError,
  WorkloadBundleClient,
} from '../../workload-api/index.ts';
import { type SourceOptions, surroundingsOf, WorkloadSource } from './workload-source.ts';

/** How long a call for a JWT-SVID may take where the caller sets no limit. */
const CALL_MS = 10_000;

/**
 * The JWT bundles, kept fresh by a Workload API (`FetchJWTBundles`), and JWT-SVIDs of ours on
 * request. Tokens of others are proved with `verifyJwtSvid(token, source, …)`.
 */
export class JwtSource extends WorkloadSource {
  readonly #surroundings: ReturnType<typeof surroundingsOf>;
  readonly #client: WorkloadBundleClient;
  readonly #closing = new AbortController();

  private constructor(options: SourceOptions) {
    const surroundings = surroundingsOf(options);
    super(surroundings.address.uri);
    this.#surroundings = surroundings;
    this.#client = new WorkloadBundleClient({
      ...surroundings,
      kind: 'jwt',
      onProblem: (problem) => this.reportProblem(problem),
    });
    this.#client.onChange(() => this.reportUpdate());
  }

  /**
   * Opens a source and waits for the first update. Rejects with `WorkloadApiError`
   * `endpoint-address-missing`, `endpoint-address-invalid`, `no-update`, `refused`.
   */
  static async create(options: SourceOptions = {}): Promise<JwtSource> {
    const source = new JwtSource(options);
    source.#client.start();
    return source.opened(options.signal);
  }

  /**
   * A JWT-SVID of ours for these audiences: the default identity, or `spiffeId`. Each call asks the
   * Workload API. Rejects with `WorkloadApiError` `permission-denied`, `refused`, `unavailable`,
   * `message-malformed`.
   */
  async fetchJwtSvid(query: JwtSvidQuery & { readonly signal?: AbortSignal }): Promise<FetchedJwtSvid> {
    const [first] = await this.fetchJwtSvids(query);
    if (!first) throw new TypeError('unreachable: there is at least one JWT-SVID');
    return first;
  }

  /** The same for each of our identities, the default one first. */
  fetchJwtSvids({
    signal,
    ...query
  }: JwtSvidQuery & { readonly signal?: AbortSignal }): Promise<readonly FetchedJwtSvid[]> {
    const limits = [signal ?? AbortSignal.timeout(CALL_MS), this.#closing.signal];
    const { address, clock } = this.#surroundings;
    return fetchJwtSvids(address, query, {
      now: () => clock.now(),
      signal: AbortSignal.any(limits),
    });
  }

  /** @internal */
  protected isReady(): boolean {
    return this.#client.list().length > 0;
  }

  /** @internal */
  protected bundle(trustDomain: TrustDomain): TrustBundle | undefined {
    return this.#client.bundles.bundleFor(trustDomain);
  }

  /** @internal */
  protected async stop(): Promise<void> {
    this.#closing.abort(new WorkloadApiError('unavailable', 'the source is closed'));
    await this.#client.stop();
  }
}
