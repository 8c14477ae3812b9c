import { type Clock, formatDurationMs, TokenBucket, type TokenBucketSettings } from '../../platform/index.ts';
import type { BundleDiff, TrustDomain } from '../../spiffe/index.ts';

/**
 * How often the bundle of one peer may change. A change costs one token, and one more for each
 * `bytesPerToken` of its document.
 */
export interface ChangeBudgetSettings {
  /** Changes that bring a key. Default 20 at once, then one a minute. */
  readonly changes: TokenBucketSettings;
  /**
   * Changes that only take keys away. Default 20 at once, then one every 15 s: a removal waits no
   * longer than that.
   */
  readonly removals: TokenBucketSettings;
  /** Default 64 KiB. */
  readonly bytesPerToken: number;
}

export const defaultChangeBudgetSettings: ChangeBudgetSettings = {
  changes: { most: 20, everyMs: 60_000 },
  removals: { most: 20, everyMs: 15_000 },
  bytesPerToken: 65_536,
};

/** What the budget needs to know of a change. */
export interface PricedChange {
  readonly diff: BundleDiff;
  /** Size of the document. */
  readonly bytes: number;
}

/** Of a full bucket, how much must be there again before a peer no longer counts as flapping. */
const CALM_SHARE = 0.5;

/**
 * How often one peer's bundle may change, so that a peer that flaps fills neither the history nor
 * the mesh. Removals have a bucket of their own, because a removed key stays trusted until the
 * removal is applied. No peer can use them up without the other bucket: a key must be added before
 * it can be removed. A peer counts as flapping from its first refused change until half of the
 * budget is there again. So one change a minute does not begin and end an incident each minute.
 */
export class ChangeBudget {
  readonly #settings: ChangeBudgetSettings;
  readonly #changes: TokenBucket;
  readonly #removals: TokenBucket;
  #flapping = false;

  constructor(clock: Clock, settings: ChangeBudgetSettings) {
    this.#settings = settings;
    this.#changes = new TokenBucket(clock, settings.changes);
    this.#removals = new TokenBucket(clock, settings.removals);
  }

  /** Whether changes of this peer were refused, and have not been rare again for long enough. */
  get isFlapping(): boolean {
    const { changes, removals } = this.#settings;
    if (
      this.#changes.tokens >= changes.most * CALM_SHARE &&
      this.#removals.tokens >= removals.most * CALM_SHARE
    )
      this.#flapping = false;
    return this.#flapping;
  }

  /** Milliseconds that this change has to wait; 0 when it may be taken now. */
  waitMs(change: PricedChange): number {
    const waitMs = this.#bucketOf(change).waitMs(this.#costOf(change));
    if (waitMs > 0) this.#flapping = true;
    return waitMs;
  }

  /** The change was taken. */
  spend(change: PricedChange): void {
    this.#bucketOf(change).take(this.#costOf(change));
  }

  /** Why a peer that flaps is kept waiting, for people. */
  describe(trustDomain: TrustDomain): string {
    const { changes, removals } = this.#settings;
    return (
      `${trustDomain} changes its bundle too often: after ${changes.most} changes one is taken every ` +
      `${formatDurationMs(changes.everyMs)}, a removal every ${formatDurationMs(removals.everyMs)}; ` +
      'the last good bundle stays in use until then'
    );
  }

  #bucketOf({ diff }: PricedChange): TokenBucket {
    return diff.addedX509.length + diff.addedJwt.length === 0 ? this.#removals : this.#changes;
  }

  #costOf({ bytes }: PricedChange): number {
    return 1 + Math.floor(bytes / this.#settings.bytesPerToken);
  }
}
