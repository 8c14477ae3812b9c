import { type Clock, type Log, pause } from '../platform/index.ts';
import type { StatementSigner } from '../spiffe/index.ts';
import { type SignedHead, signHead, type Store } from '../store/index.ts';

/** A start is soon followed by the agent's SVID and its first polls; one head for all of them. */
const FIRST_MS = 10_000;
/**
 * An attacker who edits the store between two heads can only change what is newer than the last
 * one.
 */
const EVERY_MS = 5 * 60_000;

interface HistoryHeadsParts {
  readonly store: Store;
  readonly signer: () => StatementSigner | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Signs the end of the history with the agent's SVID: soon after the start, at intervals and at the
 * end, while there is something new in it. Without an SVID the head is recorded unsigned, which
 * helps against accidents only.
 */
export class HistoryHeads {
  readonly #options: HistoryHeadsParts;
  readonly #stopping = new AbortController();
  #loop: Promise<void> | undefined;
  #newest: SignedHead | undefined;

  constructor(options: HistoryHeadsParts) {
    this.#options = options;
  }

  /** The newest signed head, for peers to keep; undefined before the first. */
  get newest(): SignedHead | undefined {
    return this.#newest?.statement === undefined ? undefined : this.#newest;
  }

  /** Takes up the newest head of the store and begins. Rejects with `StoreError`. */
  async start(): Promise<void> {
    [this.#newest] = await this.#options.store.signedHeads({ limit: 1 });
    this.#loop = this.#run();
  }

  /** Signs once more, and ends. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    await this.#signOrLog();
  }

  /** Signs now, if there is something new in the history. Rejects with `StoreError`. */
  async sign(): Promise<void> {
    const { store, signer: current, clock } = this.#options;
    const head = await store.chainHead();
    const [first] = await store.chainLinks({ limit: 1 });
    if (!head || !first) return;
    const signer = current();
    const known = this.#newest;
    const isNew = known?.number !== head.number || (known.statement === undefined && signer !== undefined);
    if (!isNew) return;
    const at = clock.now();
    const noted = { ...head, at, chain: first.hash };
    const signed = signer ? await this.#signed(head, first.hash, signer, at) : undefined;
    await store.recordHead(signed ?? noted);
    this.#newest = signed ?? noted;
  }

  async #signed(
    head: { readonly number: number; readonly hash: string },
    chain: string,
    signer: StatementSigner,
    at: Date,
  ): Promise<SignedHead | undefined> {
    try {
      return await signHead(head, chain, signer, at);
    } catch (error) {
      this.#options.log.warn('the head of the history could not be signed', { error });
      return undefined;
    }
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stopping;
    for (let wait = FIRST_MS; await pause(clock, wait, signal); wait = EVERY_MS) await this.#signOrLog();
  }

  async #signOrLog(): Promise<void> {
    try {
      await this.sign();
    } catch (error) {
      this.#options.log.error('the head of the history was not kept', { error });
    }
  }
}
