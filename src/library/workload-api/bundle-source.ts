import { BundleSet, type TrustBundle, type TrustDomain } from '../../spiffe/index.ts';
import { WorkloadBundleClient } from '../../workload-api/index.ts';
import { type SourceOptions, surroundingsOf, WorkloadSource } from './workload-source.ts';

/**
 * The whole bundles, X.509 and JWT authorities together, kept fresh by a Workload API
 * (`FetchX509Bundles`, `FetchJWTBundles`). It needs no SVID of ours.
 */
export class BundleSource extends WorkloadSource {
  readonly #x509: WorkloadBundleClient;
  readonly #jwt: WorkloadBundleClient;
  #bundles = new BundleSet();

  private constructor(options: SourceOptions) {
    const surroundings = surroundingsOf(options);
    super(surroundings.address.uri);
    const client = (kind: 'x509' | 'jwt') =>
      new WorkloadBundleClient({
        ...surroundings,
        kind,
        onProblem: (problem) => this.reportProblem(problem),
      });
    [this.#x509, this.#jwt] = [client('x509'), client('jwt')];
    const merge = () => {
      this.#bundles = merged(this.#x509.list(), this.#jwt.list());
      this.reportUpdate();
    };
    this.#x509.onChange(merge);
    this.#jwt.onChange(merge);
  }

  /**
   * Opens a source and waits for the first update of both kinds. Rejects with `WorkloadApiError`
   * `endpoint-address-missing`, `endpoint-address-invalid`, `no-update`, `refused`.
   */
  static async create(options: SourceOptions = {}): Promise<BundleSource> {
    const source = new BundleSource(options);
    source.#x509.start();
    source.#jwt.start();
    return source.opened(options.signal);
  }

  /** All bundles, by trust domain. */
  list(): readonly TrustBundle[] {
    return this.closed ? [] : this.#bundles.list();
  }

  /** @internal */
  protected isReady(): boolean {
    return this.#x509.list().length > 0 && this.#jwt.list().length > 0;
  }

  /** @internal */
  protected bundle(trustDomain: TrustDomain): TrustBundle | undefined {
    return this.#bundles.bundleFor(trustDomain);
  }

  /** @internal */
  protected async stop(): Promise<void> {
    await Promise.all([this.#x509.stop(), this.#jwt.stop()]);
  }
}

/** One bundle for each trust domain that is on either side. */
function merged(x509: readonly TrustBundle[], jwt: readonly TrustBundle[]): BundleSet {
  const set = new BundleSet(jwt);
  for (const bundle of x509) {
    const { jwtAuthorities = [] } = set.bundleFor(bundle.trustDomain) ?? {};
    set.set({ ...bundle, jwtAuthorities });
  }
  return set;
}
