import { type OwnTrust, withMissing } from '../mesh-adapters/index.ts';
import { type Clock, Listeners, type Log, Turns } from '../platform/index.ts';
import {
  bundleOf,
  bundlesEqual,
  parseTrustDomain,
  type TrustBundle,
  type TrustDomain,
} from '../spiffe/index.ts';
import { withoutKeys } from '../federation/index.ts';
import type { Store } from '../store/index.ts';
import { AgentError } from './errors.ts';

const OWN_TRUST_DOMAIN = 'own-trust-domain';

export interface OwnBundleOptions {
  readonly store: Store;
  /** The trust domain in the config, where it is given. */
  readonly expected: TrustDomain | undefined;
  readonly refreshHintSeconds: number;
  /** The adapter's kind, for the history. */
  readonly origin: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Our own bundle: the roots that the mesh reports, without the keys that the operator distrusts,
 * numbered and stored. Because a new version is stored before it is published, a published sequence
 * is never used for other content (TDB-07).
 */
export class OwnBundle {
  readonly #options: OwnBundleOptions;
  readonly #listeners = new Listeners<[TrustBundle]>();
  #current: TrustBundle | undefined;
  /** The mesh's last report, distrusted keys included. */
  #reported: TrustBundle | undefined;
  #refusal: AgentError | undefined;
  /** One version at a time. */
  readonly #turns = new Turns();

  constructor(options: OwnBundleOptions) {
    this.#options = options;
  }

  /**
   * Calls back with the present bundle, if there is one, and with every later one after the store
   * has it.
   */
  follow(listener: (bundle: TrustBundle) => void): void {
    this.#listeners.add(listener);
    if (this.#current) listener(this.#current);
  }

  /** The bundle as last stored; undefined before the mesh's first report. */
  get current(): TrustBundle | undefined {
    return this.#current;
  }

  /**
   * The roots and keys of the mesh's last report, with distrusted ones; undefined before the first
   * report since the start.
   */
  get reported(): TrustBundle | undefined {
    return this.#reported;
  }

  /** Why the mesh's last report was refused; undefined where it was accepted. */
  get refusal(): AgentError | undefined {
    return this.#refusal;
  }

  /**
   * Takes up what the store remembers, so that the endpoint serves at once, even while the mesh is
   * down. Throws `AgentError` `own-trust-domain-changed` when the config names another trust domain
   * than the store.
   */
  async load(): Promise<void> {
    const remembered = await this.#options.store.getMeta(OWN_TRUST_DOMAIN);
    if (remembered === undefined) return;
    const name = parseTrustDomain(remembered);
    this.#refuseOther(name, this.#options.expected);
    const version = await this.#options.store.current(name);
    // A key that was distrusted in the moment before a crash is not published once more.
    if (version) await this.#turns.run(() => this.#settle(version.bundle));
  }

  /**
   * Takes the roots and JWT keys that the mesh reports, and returns those that count. Equal content
   * changes nothing. A report without keys, or without roots where there were some, is refused.
   * Because a peer reads it as a revocation, publishing it would revoke every identity of ours at
   * every peer. What an unconfirmed report lacks stays published. Throws `AgentError`
   * `own-trust-domain-changed`, `StoreError`.
   */
  async observe(trust: OwnTrust): Promise<OwnTrust> {
    const { store, log, expected } = this.#options;
    this.#refusal = undefined;
    try {
      this.#refuseOther(trust.trustDomain, expected);
      this.#refuseOther(trust.trustDomain, this.#current?.trustDomain);
    } catch (error) {
      if (error instanceof AgentError) this.#refusal = error;
      throw error;
    }
    const { trustDomain } = trust;
    const held = await store.current(trustDomain);
    const before = this.#reported ?? held?.bundle;
    const counting =
      trust.isConfirmed === false && before
        ? withMissing(trust, { ...before, roots: before.x509Authorities })
        : trust;
    const { roots, jwtAuthorities = [] } = counting;
    if (roots.length > trust.roots.length)
      log.info('own roots are missing in the mesh, and stay published until a second look', {
        trust_domain: trustDomain,
        missing: roots.length - trust.roots.length,
      });
    const hadRoots = (held?.bundle.x509Authorities.length ?? 0) > 0;
    if (roots.length === 0 && (hadRoots || jwtAuthorities.length === 0)) {
      log.error('own mesh reports no roots, the last ones stay', { trust_domain: trustDomain });
      return counting;
    }
    await store.setMeta(OWN_TRUST_DOMAIN, trustDomain);
    const reported = bundleOf(trustDomain, roots, { jwtAuthorities });
    this.#reported = reported;
    await this.#turns.run(() => this.#settle(reported));
    return counting;
  }

  /**
   * Publishes again what the mesh reported last, without the keys that the operator distrusts now.
   * Resolves with whether another bundle is published than before. Throws `StoreError`.
   */
  async reconsider(): Promise<boolean> {
    const before = this.#current;
    await this.#turns.run(async () => {
      const basis = this.#reported ?? this.#current;
      if (basis) await this.#settle(basis);
    });
    return this.#current !== before;
  }

  async #settle(basis: TrustBundle): Promise<void> {
    const { store, clock, origin, refreshHintSeconds } = this.#options;
    const { trustDomain } = basis;
    const now = clock.now();
    const { x509Authorities, jwtAuthorities } = withoutKeys(basis, await this.#distrusted(trustDomain, now));
    const roots = x509Authorities;
    const held = await store.current(trustDomain);
    const content = bundleOf(trustDomain, roots, { jwtAuthorities });
    if (held && bundlesEqual(held.bundle, content)) {
      if (!this.#current || !bundlesEqual(this.#current, held.bundle)) this.#take(held.bundle);
      return;
    }
    // Begun at the time in seconds, so that a lost store starts above every number its peers have
    // seen (FED-52).
    const sequence =
      held?.bundle.sequence === undefined
        ? BigInt(Math.floor(now.getTime() / 1000))
        : held.bundle.sequence + 1n;
    const bundle = bundleOf(trustDomain, roots, { jwtAuthorities, sequence, refreshHintSeconds });
    const keptOut =
      basis.x509Authorities.length + basis.jwtAuthorities.length - roots.length - jwtAuthorities.length;
    const written = await store.replaceCurrent({
      trustDomain,
      expectedDigest: held?.digest ?? null,
      version: { bundle, receivedAt: now, verdict: 'own', origin },
      event: {
        at: now,
        kind: 'own-bundle-changed',
        trustDomain,
        actor: `mesh:${origin}`,
        message: `our own bundle is now sequence ${sequence} with ${roots.length} roots and ${jwtAuthorities.length} JWT keys${keptOut === 0 ? '' : `, without ${keptOut} distrusted`}`,
      },
    });
    // Only this process writes our own bundle, so a conflict can only be a defect.
    if (written === 'conflict') throw new TypeError(`another process wrote the own bundle of ${trustDomain}`);
    this.#take(written.bundle);
  }

  async #distrusted(trustDomain: TrustDomain, now: Date): Promise<ReadonlySet<string>> {
    const keys = await this.#options.store.distrustedKeys();
    return new Set(
      keys
        .filter((key) => key.trustDomain === trustDomain && (key.until === undefined || now < key.until))
        .map(({ keyFingerprint }) => keyFingerprint),
    );
  }

  #take(bundle: TrustBundle): void {
    const published = { ...bundle, refreshHintSeconds: this.#options.refreshHintSeconds };
    this.#current = published;
    this.#listeners.notify(published);
  }

  #refuseOther(named: TrustDomain, expected: TrustDomain | undefined): void {
    if (expected === undefined || named === expected) return;
    throw new AgentError(
      'own-trust-domain-changed',
      `our own trust domain is ${expected}, but now the mesh names ${named}; an agent and its store belong to one trust domain`,
    );
  }
}
