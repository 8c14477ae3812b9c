import type { IncomingMessage, ServerResponse } from 'node:http';
import { Listeners } from '../../../platform/index.ts';
import type { SpiffeId } from '../../../spiffe/index.ts';
import type { TraceContext } from './trace-context.ts';

/** One request that came in, its answer, and what is known of both. */
export class Exchange {
  readonly incoming: IncomingMessage;
  readonly response: ServerResponse;
  readonly trace: TraceContext | undefined;
  readonly startedMs: number;
  /** The proved other side: the caller of an inbound request, the server of an outbound one. */
  peer: SpiffeId | undefined;
  /** The called service. */
  upstream: string | undefined;
  /** How often the request was sent, or its sending was tried. */
  attempts = 0;
  requestBytes = 0;
  answerBytes = 0;
  /** Why the sidecar itself gave the answer. */
  code: string | undefined;

  readonly #closed = new Listeners();
  /** Calls back when the answer has ended or the caller went away; returns how to stop that. */
  readonly onClose = this.#closed.add;

  constructor(
    incoming: IncomingMessage,
    response: ServerResponse,
    known: { readonly trace: TraceContext | undefined; readonly startedMs: number },
  ) {
    this.incoming = incoming;
    this.response = response;
    this.trace = known.trace;
    this.startedMs = known.startedMs;
    // One listener of ours, because Node adds many of its own and warns at eleven.
    response.once('close', () => this.#closed.notify());
  }

  /**
   * Answers by the sidecar itself: `{ code, message }` says why there is no answer of the other
   * side. An answer that has begun already is broken off.
   */
  refuse(
    status: number,
    code: string,
    message: string,
    headers: Readonly<Record<string, string>> = {},
  ): void {
    const { incoming, response } = this;
    this.code = code;
    if (response.headersSent) {
      response.destroy();
      return;
    }
    // The rest of a body that is not read would hold up the next request of the connection.
    if (!incoming.complete) incoming.resume();
    const body = JSON.stringify({ code, message });
    this.answerBytes = Buffer.byteLength(body);
    response
      .writeHead(status, {
        ...headers,
        'content-type': 'application/json',
        'content-length': this.answerBytes,
      })
      .end(body);
  }
}
