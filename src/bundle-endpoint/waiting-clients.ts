import { addressGroup, type Clock, KeyedCounts, pause } from '../platform/index.ts';

/** A client that asks to be held. */
export interface WaitingClient {
  /** The same object for every request of one connection. */
  readonly connection: object;
  readonly address: string;
  /** The peer it proved to be; undefined for an unknown client. */
  readonly peer?: string | undefined;
}

/** How many clients are held at once. */
export interface WaitingLimits {
  /** Places in total. A quarter of them is kept for clients that proved which peer they are. */
  readonly most: number;
  /**
   * Places of one address, for clients that proved nothing; an IPv6 network of 64 bits counts as
   * one address.
   */
  readonly mostPerAddress: number;
}

interface Held {
  readonly endMs: number;
  readonly done: () => void;
}

/**
 * How often expired clients are looked for. One timer serves all, because thousands of timers would
 * cost more.
 */
const LOOK_EVERY_MS = 1000;
/**
 * Because each woken client returns with a handshake, clients are woken in batches that one core
 * can serve.
 */
const WOKEN_AT_ONCE = 32;
const WAKE_EVERY_MS = 16;
/** The share of all places that only proved peers may take. */
const PROVED_SHARE = 0.25;
/** Places of one proved peer: its agent may have replicas. */
const MOST_PER_PEER = 8;
/** A /48 has this many times the places of one address. */
const NETWORK_FACTOR = 4;

/**
 * Clients whose request is held until the bundle changes. Each costs an open connection and a few
 * hundred bytes. A connection has one held request, and an address and a peer have few, so that no
 * client takes the places of all others. A request without a place is answered at once.
 */
export class WaitingClients {
  readonly #clock: Clock;
  readonly #limits: WaitingLimits;
  readonly #waiting = new Set<Held>();
  readonly #byConnection = new Map<object, Held>();
  /** Places by address, network and peer. */
  readonly #taken = new KeyedCounts();
  readonly #closing = new AbortController();
  #unproved = 0;
  #looking = false;

  constructor(clock: Clock, limits: WaitingLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** How many clients wait now. */
  get count(): number {
    return this.#waiting.size;
  }

  /**
   * Resolves when the bundle has changed, when `seconds` have passed, when the client is gone or
   * when the endpoint stops. Undefined at once where there is no room. A request that is already
   * held on the same connection is answered: with pipelining its answer must go out before any
   * later one.
   */
  wait(seconds: number, gone: AbortSignal, client: WaitingClient): Promise<void> | undefined {
    if (this.#closing.signal.aborted || gone.aborted) return undefined;
    this.release(client.connection);
    const places = this.#placesOf(client);
    if (!places) return undefined;
    return new Promise((resolve) => {
      const held: Held = {
        endMs: this.#clock.monotonicMs() + seconds * 1000,
        done: () => {
          if (!this.#waiting.delete(held)) return;
          if (this.#byConnection.get(client.connection) === held)
            this.#byConnection.delete(client.connection);
          if (client.peer === undefined) this.#unproved -= 1;
          for (const place of places) this.#taken.remove(place);
          gone.removeEventListener('abort', held.done);
          resolve();
        },
      };
      this.#waiting.add(held);
      this.#byConnection.set(client.connection, held);
      if (client.peer === undefined) this.#unproved += 1;
      for (const place of places) this.#taken.add(place);
      gone.addEventListener('abort', held.done, { once: true });
      if (!this.#looking) void this.#look();
    });
  }

  /**
   * Answers the held request of this connection, because another one came and answers go out in
   * order.
   */
  release(connection: object): void {
    this.#byConnection.get(connection)?.done();
  }

  /** The bundle has changed: answers all waiting clients, a few at a time. */
  async wakeAll(): Promise<void> {
    const all = [...this.#waiting];
    for (let start = 0; start < all.length; start += WOKEN_AT_ONCE) {
      if (start > 0 && !(await pause(this.#clock, WAKE_EVERY_MS, this.#closing.signal))) return;
      for (const { done } of all.slice(start, start + WOKEN_AT_ONCE)) done();
    }
  }

  /**
   * The endpoint stops: answers all waiting clients at once, so that they return to the next agent.
   */
  close(): void {
    this.#closing.abort();
    for (const { done } of this.#waiting) done();
  }

  /** The places that a client takes; undefined where one of them is full. */
  #placesOf({ address, peer }: WaitingClient): readonly string[] | undefined {
    const { most, mostPerAddress } = this.#limits;
    if (this.#waiting.size >= most) return undefined;
    if (peer !== undefined) {
      const place = `peer ${peer}`;
      return this.#taken.of(place) < MOST_PER_PEER ? [place] : undefined;
    }
    if (this.#unproved >= most - Math.floor(most * PROVED_SHARE)) return undefined;
    const [own, network] = [`address ${addressGroup(address)}`, `network ${addressGroup(address, 48)}`];
    const hasRoom =
      this.#taken.of(own) < mostPerAddress && this.#taken.of(network) < mostPerAddress * NETWORK_FACTOR;
    return hasRoom ? [own, network] : undefined;
  }

  async #look(): Promise<void> {
    this.#looking = true;
    while (this.#waiting.size > 0 && (await pause(this.#clock, LOOK_EVERY_MS, this.#closing.signal))) {
      const nowMs = this.#clock.monotonicMs();
      for (const { endMs, done } of this.#waiting) if (endMs <= nowMs) done();
    }
    this.#looking = false;
  }
}
