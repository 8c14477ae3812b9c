import type { WarningDocument } from '../admin/index.ts';
import type { MeshAdapter, PresentTrust } from '../mesh-adapters/index.ts';
import type { Clock, Log } from '../platform/index.ts';
import { type Pin, pinOfKey, type TrustDomain } from '../spiffe/index.ts';
import type { Store } from '../store/index.ts';
import { AgentError } from './errors.ts';

/** Foreign trust in the mesh with our mark, and since when the agent knows of it. */
export interface UnrecordedEntry extends PresentTrust {
  readonly since: Date;
}

/**
 * Foreign trust in the mesh without a record in the store: the store was lost, or is older than
 * this trust. The last good stays, so the mesh keeps it until a relationship with the trust domain
 * holds a bundle again, or until an operator drops it.
 *
 * A trust domain with any version in the store is recorded. What the mesh holds of a recorded
 * former peer is an unfinished removal, and is removed.
 */
export class UnrecordedTrust {
  readonly #adapter: Pick<MeshAdapter, 'presentTrust'>;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  /** Undefined until the mesh was read once. */
  #found: Map<TrustDomain, UnrecordedEntry> | undefined;

  constructor(options: {
    readonly adapter: Pick<MeshAdapter, 'presentTrust'>;
    readonly store: Store;
    readonly clock: Clock;
    readonly log: Log;
  }) {
    this.#adapter = options.adapter;
    this.#store = options.store;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /**
   * The trust domains with entries that stay in the mesh. Reads the mesh at the first call, and the
   * store at each. Throws `MeshAdapterError`, `StoreError`.
   */
  async kept(signal: AbortSignal): Promise<ReadonlySet<TrustDomain>> {
    this.#found ??= await this.#look(signal);
    for (const trustDomain of this.#found.keys()) {
      if (!(await this.#isRecorded(trustDomain))) continue;
      this.#found.delete(trustDomain);
      this.#log.info('the store has a record of this trust again', { trust_domain: trustDomain });
    }
    return new Set(this.#found.keys());
  }

  list(): readonly UnrecordedEntry[] {
    return [...(this.#found?.values() ?? [])];
  }

  /**
   * Pins of the keys that the mesh holds for a trust domain. Throws `AgentError`
   * `no-unrecorded-trust`, `mesh-shows-no-keys`.
   */
  pinsOf(trustDomain: TrustDomain): readonly [Pin, ...Pin[]] {
    const [first, ...more] = new Set(
      (this.#entry(trustDomain).roots ?? []).map(({ keyFingerprint }) => pinOfKey(keyFingerprint)),
    );
    if (first !== undefined) return [first, ...more];
    throw new AgentError(
      'mesh-shows-no-keys',
      `the mesh does not show the roots that it holds of ${trustDomain}; give --pin or --bundle instead`,
    );
  }

  /**
   * Records that the operator does not want this trust; the mesh drops it at the next comparison.
   * Throws `AgentError` `no-unrecorded-trust`, `StoreError`.
   */
  async drop(trustDomain: TrustDomain, actor: string): Promise<void> {
    const { where } = this.#entry(trustDomain);
    const at = this.#clock.now();
    await this.#store.setMeta(droppedKey(trustDomain), at.toISOString());
    await this.#store.recordEvent({
      at,
      kind: 'operator-override',
      trustDomain,
      actor,
      code: 'unrecorded-trust-dropped',
      message: `trust in ${trustDomain} that the store had no record of was dropped from ${where}`,
    });
    this.#found?.delete(trustDomain);
  }

  warnings(): readonly WarningDocument[] {
    return this.list().map(({ trustDomain, where, since }) => ({
      trust_domain: trustDomain,
      code: 'unrecorded-trust',
      message: `the mesh trusts ${trustDomain} (${where}), and the store has no record of it; the agent keeps it as it is, without updates: see "federate adopt"`,
      since: since.toISOString(),
    }));
  }

  #entry(trustDomain: TrustDomain): UnrecordedEntry {
    const entry = this.#found?.get(trustDomain);
    if (entry) return entry;
    throw new AgentError(
      'no-unrecorded-trust',
      this.#found
        ? `the mesh holds nothing of ${trustDomain} that the store has no record of`
        : 'the mesh has not answered since the start, so the agent does not know what it holds',
    );
  }

  async #look(signal: AbortSignal): Promise<Map<TrustDomain, UnrecordedEntry>> {
    const found = new Map<TrustDomain, UnrecordedEntry>();
    for (const present of await this.#adapter.presentTrust(signal)) {
      const { trustDomain, where } = present;
      if (await this.#isRecorded(trustDomain)) continue;
      found.set(trustDomain, { ...present, since: this.#clock.now() });
      this.#log.warn('the mesh holds trust that the store has no record of; it stays', {
        trust_domain: trustDomain,
        where,
        code: 'unrecorded-trust',
      });
    }
    return found;
  }

  async #isRecorded(trustDomain: TrustDomain): Promise<boolean> {
    const [version] = await this.#store.history(trustDomain, { limit: 1 });
    return version !== undefined || (await this.#store.getMeta(droppedKey(trustDomain))) !== undefined;
  }
}

function droppedKey(trustDomain: TrustDomain): string {
  return `unrecorded-trust-dropped:${trustDomain}`;
}
