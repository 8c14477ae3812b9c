import { type Clock, describeError, type Log, pause, type Random } from '../../platform/index.ts';
import type { Relationship } from '../../store/index.ts';
import { FetchError } from '../fetch/errors.ts';
import { recordFetch } from '../fetch/fetch-record.ts';
import type { RememberedTag } from './refresh-outcome.ts';
import type { EndpointClient } from './endpoint-client.ts';

/** How requests are held at endpoints that answer when their bundle changes. */
export interface WatchSettings {
  /** How long one is held, in seconds; 0 turns it off. */
  readonly seconds: number;
  /**
   * Requests held at once, over all peers; each costs an open connection. Peers beyond that are
   * only polled.
   */
  readonly most: number;
}

/** The requests that may be held at once, shared by all peers. */
export class WatchPlaces {
  #free: number;

  constructor(most: number) {
    this.#free = most;
  }

  take(): boolean {
    if (this.#free <= 0) return false;
    this.#free -= 1;
    return true;
  }

  give(): void {
    this.#free += 1;
  }
}

/** What holding requests takes. */
export interface WatchParts {
  readonly client: EndpointClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** How one held request ended. */
type Held = 'changed' | 'unchanged' | 'not-held' | 'failed' | 'called-off';

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;
/**
 * An endpoint that holds requests holds them longer than this, or half the time asked for, or is to
 * be asked less often.
 */
const HELD_MS = 10_000;

/**
 * For requests and pauses that are given up: an error with a stack for each would cost more than
 * they do.
 */
const OUTDATED = new Error('another bundle is held now');

/**
 * Keeps a request open at an endpoint, so that the agent learns of a change at once. The endpoint
 * holds the request until there is another bundle than ours (RFC 7240 §4.3 `wait`). The answer is
 * thrown away: it only starts an ordinary poll, which is verified and judged as every other. A
 * false alarm, an early failure or answer makes the next request wait, twice as long each time. A
 * poll that fails ends the watch until one succeeds (FED-45).
 */
export class EndpointWatch {
  readonly #parts: WatchParts;
  readonly #settings: WatchSettings;
  readonly #places: WatchPlaces;
  readonly #relationship: () => Relationship;
  readonly #ring: () => Promise<boolean>;
  #tag: RememberedTag | undefined;
  #current: AbortController | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(options: {
    readonly parts: WatchParts;
    readonly settings: WatchSettings;
    readonly places: WatchPlaces;
    readonly relationship: () => Relationship;
    /** Polls; resolves with whether there was something new. */
    readonly ring: () => Promise<boolean>;
  }) {
    this.#parts = options.parts;
    this.#settings = options.settings;
    this.#places = options.places;
    this.#relationship = options.relationship;
    this.#ring = options.ring;
  }

  /**
   * Watches for another document than that of `tag` from now on. Without a tag, or where the
   * endpoint holds no requests, it watches nothing.
   */
  follow(tag: RememberedTag | undefined): void {
    const before = this.#tag;
    this.#tag = tag?.etag.held ? tag : undefined;
    if (before && (before.bundle !== tag?.bundle || before.etag.tag !== tag.etag.tag))
      this.#current?.abort(OUTDATED);
    if (!this.#tag || this.#running || this.#stopped || this.#settings.seconds === 0) return;
    if (!this.#places.take()) return;
    this.#running = this.#run().finally(() => {
      this.#places.give();
      this.#running = undefined;
    });
  }

  /** Replaces a held request at once, because what it reports about us is out of date. */
  renew(): void {
    this.#current?.abort(OUTDATED);
  }

  /** Ends the watch, and resolves when nothing of it runs any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#tag = undefined;
    this.#current?.abort(OUTDATED);
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock } = this.#parts;
    let idle = 0;
    for (let tag = this.#tag; tag && !this.#stopped; tag = this.#tag) {
      const startedMs = clock.monotonicMs();
      const held = await this.#hold(tag);
      if (held === 'called-off') continue;
      if (held === 'not-held') return;
      const early = clock.monotonicMs() - startedMs < Math.min(HELD_MS, this.#settings.seconds * 500);
      // One that was held for a while and then cut is as good as one that ran out: proxies on the
      // way end long requests.
      const good = held === 'changed' ? await this.#ring() : !early;
      idle = good ? 0 : idle + 1;
      if (idle > 0) await this.#pause(idle);
    }
  }

  async #pause(times: number): Promise<void> {
    const { clock, random } = this.#parts;
    const whole = Math.min(FIRST_PAUSE_MS * 2 ** (times - 1), LONGEST_PAUSE_MS);
    const controller = new AbortController();
    this.#current = controller;
    // Another bundle, or the end.
    await pause(clock, whole * (0.5 + 0.5 * random.fraction()), controller.signal);
  }

  async #hold(tag: RememberedTag): Promise<Held> {
    const { client, random, log } = this.#parts;
    const relationship = this.#relationship();
    const { trustDomain, endpointUrl, profile } = relationship;
    // Chance takes some off, so that the requests of one moment do not end in one.
    const seconds = Math.ceil(this.#settings.seconds * (1 - 0.1 * random.fraction()));
    const { signal } = (this.#current = new AbortController());
    const about = { trustDomain, endpointUrl, profile };
    try {
      const fetched = await client.fetch(relationship, { etag: tag.etag, waitSeconds: seconds, signal });
      recordFetch(log, { ...about, trace: fetched.trace, outcome: { kind: 'watched' } });
      if (fetched.kind === 'document') return 'changed';
      return fetched.held ? 'unchanged' : 'not-held';
    } catch (error) {
      if (signal.aborted) return 'called-off';
      const trace = error instanceof FetchError ? error.trace : undefined;
      const { code = 'unexpected' } = describeError(error);
      recordFetch(log, { ...about, trace, error, outcome: { kind: 'watch-failed', code } });
      return 'failed';
    }
  }
}
