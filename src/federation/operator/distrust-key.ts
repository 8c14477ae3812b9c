import { defined } from '../../objects/index.ts';
import type { Clock, Log } from '../../platform/index.ts';
import {
  type BundleSource,
  type SpiffeId,
  type TrustBundle,
  type TrustDomain,
  verifyX509Svid,
  X509SvidError,
} from '../../spiffe/index.ts';
import type { DistrustedKey, Store } from '../../store/index.ts';
import { FederationError } from '../fetch/errors.ts';
import { findKey } from '../trust/find-key.ts';
import { keyFingerprintsOf } from '../trust/key-fingerprints.ts';
import { notFederated, type Peers } from '../poll/peers.ts';
import type { TrustedBundles } from '../trust/trusted-bundles.ts';
import { withoutKeys } from '../trust/without-keys.ts';

/** A key that was distrusted, and what is left. */
export interface Distrusted {
  readonly key: DistrustedKey;
  /** Whether a bundle that counts had it. If not, it stays distrusted if it ever comes. */
  readonly wasTrusted: boolean;
  readonly x509Left: number;
  readonly jwtLeft: number;
  /** Our own SVID verified with what we published before, and does not without the key. */
  readonly ownSvidRefused: boolean;
}

/** The agent's own SVID, as far as peers see it. */
interface OwnSvid {
  readonly id: SpiffeId;
  /** DER, leaf first, then intermediates. */
  readonly certificateChain: readonly Uint8Array[];
}

/** What distrusting keys takes. */
export interface DistrustParts {
  readonly store: Store;
  readonly held: BundleSource;
  readonly trusted: TrustedBundles;
  readonly own: () => TrustBundle | undefined;
  /** Our own trust domain by the configuration, which is known before the mesh reports a bundle. */
  readonly ownTrustDomain?: TrustDomain | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * The keys that the operator distrusts, of peers and of our own. Each is recorded first, then
 * removed from memory. It stays out over polls, restarts and new certificates, until its time is
 * over or the operator trusts it again.
 */
export class Distrusts {
  readonly #parts: DistrustParts;
  readonly #peers: Pick<Peers, 'find'>;
  readonly #ownSvid: () => OwnSvid | undefined;

  /** `ownSvid` is the SVID that our endpoint shows and that signs for us, where there is one. */
  constructor(parts: DistrustParts, peers: Pick<Peers, 'find'>, ownSvid: () => OwnSvid | undefined) {
    this.#parts = parts;
    this.#peers = peers;
    this.#ownSvid = ownSvid;
  }

  /** Every key that is distrusted now, by trust domain. */
  list(): readonly DistrustedKey[] {
    return this.#parts.trusted.distrusted().toSorted((a, b) => (a.trustDomain < b.trustDomain ? -1 : 1));
  }

  /**
   * Distrusts one key, named as `findKey` takes it. The key is looked for in the held bundles, and in
   * those of `more`. `evenTheLast` lets our own last key go: every peer takes that as the end of all
   * our identities. `evenOurOwnSvid` lets the key under the agent's own SVID go: peers refuse our
   * endpoint from then on. Throws `FederationError` `not-federated`, `key-not-found`,
   * `key-ambiguous`, `distrust-over` where the end is past, `last-own-key`, `own-svid-key`;
   * `StoreError`, and then nothing has changed.
   */
  async distrust(
    trustDomain: TrustDomain,
    named: string,
    { actor, reason, until }: Pick<DistrustedKey, 'actor' | 'reason' | 'until'>,
    {
      more = [],
      evenTheLast = false,
      evenOurOwnSvid = false,
    }: {
      readonly more?: readonly TrustBundle[];
      readonly evenTheLast?: boolean | undefined;
      readonly evenOurOwnSvid?: boolean | undefined;
    } = {},
  ): Promise<Distrusted> {
    const { store, trusted, clock } = this.#parts;
    const isOurs = this.#isOurs(trustDomain);
    if (!isOurs && !this.#peers.find(trustDomain)) throw notFederated(trustDomain);
    const at = clock.now();
    if (until !== undefined && until <= at) {
      throw new FederationError(
        'distrust-over',
        `a distrust that ends at ${until.toISOString()} would be over already`,
      );
    }
    const { keyFingerprint, label } = this.#find(trustDomain, named, more);
    const before = this.#counting(trustDomain);
    const left = before && withoutKeys(before, new Set([keyFingerprint]));
    const [x509Left, jwtLeft] = [left?.x509Authorities.length ?? 0, left?.jwtAuthorities.length ?? 0];
    const wasTrusted = before !== undefined && keyFingerprintsOf(before).has(keyFingerprint);
    if (isOurs && wasTrusted && x509Left + jwtLeft === 0 && !evenTheLast) {
      throw new FederationError(
        'last-own-key',
        `${label} is the last key that we publish: without it every peer refuses all identities of ${trustDomain}`,
      );
    }
    const svid = isOurs ? this.#ownSvid() : undefined;
    const ownSvidRefused =
      svid !== undefined &&
      before !== undefined &&
      left !== undefined &&
      verifiesWith(svid, before, at) &&
      !verifiesWith(svid, left, at);
    if (ownSvidRefused && !evenOurOwnSvid) {
      throw new FederationError(
        'own-svid-key',
        `the agent's own SVID ${svid.id} rests on ${label}: every peer that takes our bundle without that key refuses our endpoint, and cannot learn from us that it counts again`,
      );
    }
    const key: DistrustedKey = {
      trustDomain,
      keyFingerprint,
      label,
      at,
      actor,
      reason,
      ...defined({ until }),
    };
    await store.distrustKey(key);
    trusted.distrust(key);
    this.#judgeAgain(trustDomain);
    return { key, wasTrusted, x509Left, jwtLeft, ownSvidRefused };
  }

  /**
   * Ends the distrust of a key; gives it as it was. Throws `FederationError` `key-not-found`,
   * `key-ambiguous`, `not-distrusted`; `StoreError`, and then nothing has changed.
   */
  async trustAgain(
    trustDomain: TrustDomain,
    named: string,
    { actor, reason }: Pick<DistrustedKey, 'actor' | 'reason'>,
    more: readonly TrustBundle[] = [],
  ): Promise<DistrustedKey> {
    const { store, trusted, clock } = this.#parts;
    const { keyFingerprint, label } = this.#find(trustDomain, named, more);
    const key = trusted.distrusted(trustDomain).find((each) => each.keyFingerprint === keyFingerprint);
    if (!key)
      throw new FederationError('not-distrusted', `the key ${label} of ${trustDomain} is not distrusted`);
    const decision = 'trusted-again';
    await store.trustKeyAgain({ trustDomain, keyFingerprint, actor, reason, at: clock.now(), decision });
    trusted.trustAgain(trustDomain, keyFingerprint);
    this.#judgeAgain(trustDomain);
    return key;
  }

  /**
   * Loads the distrusted keys from the store. `TrustedBundles.run` notices those that lapsed
   * meanwhile, and `lapsed` records them. Throws `StoreError`.
   */
  async load(): Promise<void> {
    for (const key of await this.#parts.store.distrustedKeys()) this.#parts.trusted.distrust(key);
  }

  /**
   * Records that the distrust of a key has lapsed. A failure of the store is logged, and the next
   * start tries again.
   */
  async lapsed({ trustDomain, keyFingerprint, until }: DistrustedKey): Promise<void> {
    const { store, clock, log } = this.#parts;
    const reason = `its time out ended at ${until?.toISOString() ?? 'an unknown instant'}`;
    const about = { trustDomain, keyFingerprint, actor: 'agent', reason };
    log.warn('a distrusted key is trusted again', about);
    this.#judgeAgain(trustDomain);
    try {
      await store.trustKeyAgain({ ...about, at: clock.now(), decision: 'lapsed' });
    } catch (error) {
      log.error('the end of a distrust could not be put on record', { trustDomain, keyFingerprint, error });
    }
  }

  /**
   * Other keys count now, so its endpoint may be verified or not. No caller waits for the answer.
   */
  #judgeAgain(trustDomain: TrustDomain): void {
    void this.#peers.find(trustDomain)?.pollAgain();
  }

  #isOurs(trustDomain: TrustDomain): boolean {
    const { own, ownTrustDomain } = this.#parts;
    return trustDomain === ownTrustDomain || trustDomain === own()?.trustDomain;
  }

  /** What of a trust domain counts now, staleness aside. */
  #counting(trustDomain: TrustDomain): TrustBundle | undefined {
    return this.#isOurs(trustDomain)
      ? this.#parts.own()
      : this.#parts.trusted.evenStale.bundleFor(trustDomain);
  }

  #find(trustDomain: TrustDomain, named: string, more: readonly TrustBundle[]) {
    const { trusted, held } = this.#parts;
    const places = [this.#counting(trustDomain), held.bundleFor(trustDomain), ...more];
    const bundles = places.filter((bundle) => bundle !== undefined);
    return findKey(named, trustDomain, bundles, trusted.distrusted(trustDomain));
  }
}

/** Whether a peer that holds `bundle` accepts our own SVID now. Pure. */
function verifiesWith({ certificateChain }: OwnSvid, bundle: TrustBundle, now: Date): boolean {
  try {
    verifyX509Svid(certificateChain, { bundleFor: () => bundle }, { now, peerRole: 'server' });
    return true;
  } catch (error) {
    if (error instanceof X509SvidError) return false;
    throw error;
  }
}
