import type { Clock, Random, TokenBucket } from '../../platform/index.ts';
import { nextPollDelayMs, retryDelayMs, type ScheduleSettings } from '../fetch/schedule.ts';
import type { RefreshOutcome } from './refresh-outcome.ts';

/**
 * How often a flapping peer is polled: no request is held at it, and a removal must not wait for
 * the refresh hint.
 */
const FLAPPING_POLL_MS = 10_000;
/** Retries that find no room are spread over this time. */
const RETRY_SPREAD_MS = 5000;

/** What the instant of the next poll depends on. */
export interface PollEnd {
  readonly outcome: RefreshOutcome;
  /** The hint of the held bundle. */
  readonly refreshHintSeconds: number | undefined;
  readonly isFlapping: boolean;
  /** Failed polls in a row before this one. */
  readonly failures: number;
}

/** When one peer is polled next: by the hint of its bundle, or earlier after a failure. */
export class PollSchedule {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #settings: ScheduleSettings;
  /** Shared by all peers. */
  readonly #retries: TokenBucket;
  #dueAtMs: number;
  /** When the next poll is due by hint and interval; a poll before that is a retry. */
  #regularAtMs: number;
  #lastPollMs = Number.NEGATIVE_INFINITY;
  #isUnreachable = false;

  constructor(options: {
    readonly clock: Clock;
    readonly random: Random;
    readonly settings: ScheduleSettings;
    readonly retries: TokenBucket;
    readonly firstPollInMs: number;
  }) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#settings = options.settings;
    this.#retries = options.retries;
    this.#dueAtMs = options.clock.monotonicMs() + options.firstPollInMs;
    this.#regularAtMs = this.#dueAtMs;
  }

  /** Milliseconds until the next poll; not positive once it is due. */
  get waitMs(): number {
    return this.#dueAtMs - this.#clock.monotonicMs();
  }

  /**
   * Whether a poll that is due may begin. Delays a retry that has no room among the retries of all
   * peers; at most until the regular poll.
   */
  mayPollNow(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= this.#regularAtMs || this.#retries.take()) return true;
    const laterMs = nowMs + Math.max(this.#retries.waitMs(), RETRY_SPREAD_MS * this.#random.fraction());
    this.#dueAtMs = Math.min(this.#regularAtMs, laterMs);
    return false;
  }

  /** A poll has ended. */
  polled(): void {
    this.#lastPollMs = this.#clock.monotonicMs();
  }

  /** Sets the instant of the next poll, and returns the milliseconds until then. */
  next({ outcome, refreshHintSeconds, isFlapping, failures }: PollEnd): number {
    const regularMs = nextPollDelayMs(refreshHintSeconds, this.#settings, this.#random);
    this.#isUnreachable = outcome.kind === 'failed' && outcome.code !== 'endpoint-bundle-missing';
    const delayMs = isFlapping
      ? Math.min(regularMs, Math.max(FLAPPING_POLL_MS, this.#settings.floorMs))
      : this.#isUnreachable
        ? retryDelayMs(failures + 1, regularMs, this.#random)
        : regularMs;
    const nowMs = this.#clock.monotonicMs();
    this.#dueAtMs = nowMs + delayMs;
    this.#regularAtMs = nowMs + (this.#isUnreachable ? regularMs : delayMs);
    return delayMs;
  }

  /** Waits as without a hint, because only a later poll can show more. */
  waitWithoutHint(): void {
    this.#dueAtMs = this.#clock.monotonicMs() + this.#settings.withoutHintMs;
    this.#regularAtMs = this.#dueAtMs;
  }

  /**
   * Brings the next poll forward where the last one failed, but polls not more often than the floor
   * allows. True if it did.
   */
  bringForward(): boolean {
    if (!this.#isUnreachable) return false;
    const atMs = Math.max(this.#clock.monotonicMs(), this.#lastPollMs + this.#settings.floorMs);
    if (atMs >= this.#dueAtMs) return false;
    this.#dueAtMs = atMs;
    return true;
  }
}
