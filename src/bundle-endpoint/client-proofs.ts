import type { Clock } from '../platform/index.ts';

/** A client that wishes to be held waits so long for its proof, and then counts as anybody. */
const PROOF_MS = 500;

/**
 * Which peers the clients of answers prove to be. A proof is looked at beside the request, and
 * nothing but a wish to be held waits for it.
 */
export class ClientProofs {
  readonly #clock: Clock;
  readonly #proving = new WeakMap<object, Promise<string | undefined>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The proof of the client that gets this answer has begun. */
  begun(response: object, proving: Promise<string | undefined>): void {
    this.#proving.set(response, proving);
  }

  /** Which peer the client proved to be; undefined also where that takes too long to wait for. */
  async of(response: object): Promise<string | undefined> {
    const proving = this.#proving.get(response);
    if (!proving) return undefined;
    const known = new AbortController();
    const late = this.#clock.sleep(PROOF_MS, known.signal).then(
      () => undefined,
      () => undefined,
    );
    const peer = await Promise.race([proving, late]);
    known.abort();
    return peer;
  }
}
