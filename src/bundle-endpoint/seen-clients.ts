import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Clock, within } from '../platform/index.ts';

/** What a request for the bundle reveals about the client. */
export interface SeenBundleRequest {
  readonly address: string;
  readonly heldTag: string | undefined;
  /** `Federate-Holding`, as it was sent. */
  readonly statement: string | undefined;
}

/** Who learns about the clients of the endpoint. */
export interface ClientObserver {
  /**
   * Called for each request for the bundle before it is answered. Resolves with the peer that the
   * client proved to be, or undefined. Only a request that asks to be held waits for it. When the
   * peer is known before the answer goes, `Federate-Relationship: held` says that we hold a
   * relationship with the client. Otherwise the header is absent, so that no client can learn our
   * relationships in another's name.
   */
  readonly onRequest?: (seen: SeenBundleRequest) => Promise<string | undefined> | void;
  /**
   * Called when a client without a statement received the whole bundle, with its address and the
   * tag of the bundle.
   */
  readonly onServed?: (address: string, tag: string) => void;
}

/**
 * How long a client that asks to be held waits for its proof. After that it counts as an unknown
 * client.
 */
const PROOF_MS = 500;

/** Reports which clients polled, what they prove to be, and which bundle each received. */
export class SeenClients {
  readonly #observer: ClientObserver;
  readonly #clock: Clock;
  /** The proof of each answer's client. It is checked in parallel with the request. */
  readonly #proving = new WeakMap<object, Promise<string | undefined>>();
  /** The tag of the bundle in each answer. */
  readonly #given = new WeakMap<object, string>();

  constructor(observer: ClientObserver, clock: Clock) {
    this.#observer = observer;
    this.#clock = clock;
  }

  /** Reports a request before its answer, and the bundle that its client received. */
  see(request: IncomingMessage, response: ServerResponse): void {
    const { onRequest, onServed } = this.#observer;
    const seen = seenRequestOf(request);
    const proving = onRequest?.(seen);
    if (proving) {
      this.#proving.set(response, proving);
      void proving.then((peer) => {
        if (peer !== undefined && !response.headersSent) response.setHeader('federate-relationship', 'held');
      });
    }
    if (!onServed || request.method !== 'GET' || seen.statement !== undefined) return;
    response.once('finish', () => {
      const tag = this.#given.get(response);
      if (tag !== undefined) onServed(seen.address, tag);
    });
  }

  /** The peer that the client proved to be; undefined also where the proof takes too long. */
  async prove(response: object): Promise<string | undefined> {
    const proving = this.#proving.get(response);
    return proving && within(this.#clock, PROOF_MS, () => proving);
  }

  /** Records the bundle in an answer, because the bundle may have changed when the answer is out. */
  given(response: object, tag: string): void {
    this.#given.set(response, tag);
  }
}

function seenRequestOf({ headers, socket }: IncomingMessage): SeenBundleRequest {
  const statement = headers['federate-holding'];
  return {
    address: socket.remoteAddress ?? 'unknown',
    heldTag: headers['if-none-match'],
    statement: typeof statement === 'string' ? statement : undefined,
  };
}
