import { type Clock, within } from '../platform/index.ts';

/**
 * How long a client that asks to be held waits for its proof. After that it counts as an unknown
 * client.
 */
const PROOF_MS = 500;

/**
 * The peers that the clients of answers prove to be. A proof is checked in parallel with the
 * request. Only a request that asks to be held waits for it.
 */
export class ClientProofs {
  readonly #clock: Clock;
  readonly #proving = new WeakMap<object, Promise<string | undefined>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Registers the proof of the client that gets this answer. */
  begun(response: object, proving: Promise<string | undefined>): void {
    this.#proving.set(response, proving);
  }

  /** The peer that the client proved to be; undefined also where the proof takes too long. */
  async of(response: object): Promise<string | undefined> {
    const proving = this.#proving.get(response);
    return proving && within(this.#clock, PROOF_MS, () => proving);
  }
}
