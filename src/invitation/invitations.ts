import { InvitationBook } from './book.ts';
import { InvitationDesk } from './desk.ts';
import type { InvitationParts } from './parts.ts';
import { InvitationReception } from './reception.ts';
import { InvitationTaker } from './taker.ts';

/** Invitations in both roles: ours that newcomers redeem, and those of other agents that we take up. */
export class Invitations {
  /** The actions of the inviter's operator. */
  readonly desk: InvitationDesk;
  /** What the bundle endpoint serves to newcomers. */
  readonly reception: InvitationReception;
  /** Takes up invitations of other agents. */
  readonly taker: InvitationTaker;
  readonly #book: InvitationBook;
  readonly #stop = new AbortController();

  constructor(parts: InvitationParts) {
    const { signal } = this.#stop;
    this.#book = new InvitationBook(parts);
    this.desk = new InvitationDesk(parts, this.#book, signal);
    this.reception = new InvitationReception(parts, this.#book, signal);
    this.taker = new InvitationTaker(parts, signal);
  }

  /**
   * Loads the invitations of the store, and asks again where an answer was missed. Rejects with
   * `StoreError`.
   */
  async start(): Promise<void> {
    await this.#book.load();
    await this.#book.sweep();
    await this.taker.start();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.taker.stopped();
  }
}
