import type { Clock } from '../platform/index.ts';

interface WaitingClient {
  readonly endMs: number;
  readonly done: () => void;
}

/** How often those whose time is up are looked for: one timer for all, for thousands of their own would cost more than they do. */
const LOOK_EVERY_MS = 1000;
/** Whoever is woken comes back for a handshake; so many at once, every so many milliseconds, is what one core can take. */
const WOKEN_AT_ONCE = 32;
const WAKE_EVERY_MS = 16;

/** Clients whose request is held until the bundle changes. Each costs an open connection and a few hundred bytes. */
export class WaitingClients {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #waiting = new Set<WaitingClient>();
  readonly #closing = new AbortController();
  #looking = false;

  /** At most so many at once. */
  constructor(clock: Clock, most: number) {
    this.#clock = clock;
    this.#most = most;
  }

  /** How many wait now. */
  get count(): number {
    return this.#waiting.size;
  }

  /**
   * Resolves when the bundle has changed, when `seconds` have passed, when the client has gone or when the endpoint stops.
   * Undefined at once where there is no room for one more.
   */
  wait(seconds: number, gone: AbortSignal): Promise<void> | undefined {
    if (this.#waiting.size >= this.#most || this.#closing.signal.aborted || gone.aborted) return undefined;
    return new Promise((resolve) => {
      const client: WaitingClient = {
        endMs: this.#clock.monotonicMs() + seconds * 1000,
        done: () => {
          this.#waiting.delete(client);
          gone.removeEventListener('abort', client.done);
          resolve();
        },
      };
      this.#waiting.add(client);
      gone.addEventListener('abort', client.done, { once: true });
      if (!this.#looking) void this.#look();
    });
  }

  /** The bundle has changed: all who wait now are answered, a few at a time. */
  async wakeAll(): Promise<void> {
    const all = [...this.#waiting];
    for (let start = 0; start < all.length; start += WOKEN_AT_ONCE) {
      if (start > 0 && !(await this.#pause(WAKE_EVERY_MS))) return;
      for (const { done } of all.slice(start, start + WOKEN_AT_ONCE)) done();
    }
  }

  /** Nobody waits any more: all are answered at once, and come back to whoever is here next. */
  close(): void {
    this.#closing.abort();
    for (const { done } of this.#waiting) done();
  }

  async #look(): Promise<void> {
    this.#looking = true;
    while (this.#waiting.size > 0 && (await this.#pause(LOOK_EVERY_MS))) {
      const nowMs = this.#clock.monotonicMs();
      for (const { endMs, done } of this.#waiting) if (endMs <= nowMs) done();
    }
    this.#looking = false;
  }

  /** False when the endpoint stops meanwhile. */
  async #pause(ms: number): Promise<boolean> {
    try {
      await this.#clock.sleep(ms, this.#closing.signal);
      return true;
    } catch {
      return false; // stopped, and everybody was answered
    }
  }
}
