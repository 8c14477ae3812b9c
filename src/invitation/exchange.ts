import type { TLSSocket } from 'node:tls';
import { Client } from 'undici';
import { secureContextOptions, sentChain } from '../mtls/index.ts';
import { CodedError, type JsonObject } from '../spiffe/index.ts';
import { FetchError, FetchTimer, openUnproved } from '../federation/index.ts';
import { InvitationError } from './errors.ts';
import { invitationGuard } from './guard.ts';
import type { InvitationParts } from './parts.ts';
import { jsonObject, maxSideBytes } from './side.ts';
import { EXPORTER_BYTES, EXPORTER_LABEL } from './transcript.ts';

/** An answer of the inviter. */
export interface ExchangeAnswer {
  readonly status: number;
  /** Undefined where the answer is not a JSON object, as for an unknown path. */
  readonly body: JsonObject | undefined;
}

const DONE = new Error('the exchange is over');
const BROKEN = 'the connection ended during the exchange';

/**
 * One TLS 1.3 connection to the inviter, on which a whole exchange takes place. No CA judges its
 * certificate here. Because what both sides sign names this very connection, another server cannot
 * pass for the inviter.
 */
export class Exchange {
  /** The certificates of the other end as it sent them, leaf first. */
  readonly chain: readonly Uint8Array[];
  /** Keying material of this connection, which no other connection shares. */
  readonly exporter: Uint8Array;
  readonly #client: Client;
  readonly #socket: TLSSocket;
  readonly #timer: FetchTimer;
  readonly #maxBytes: number;
  readonly #url: URL;

  private constructor(socket: TLSSocket, url: URL, timer: FetchTimer, maxBytes: number) {
    this.#socket = socket;
    this.#url = url;
    this.#timer = timer;
    this.#maxBytes = maxBytes;
    this.chain = sentChain(socket).certificates;
    this.exporter = socket.exportKeyingMaterial(EXPORTER_BYTES, EXPORTER_LABEL, Buffer.alloc(0));
    let given = false;
    this.#client = new Client(url.origin, {
      connect: (_options, callback) => {
        // The exchange belongs to this connection: a second one would be another exchange.
        const again = given;
        given = true;
        queueMicrotask(() => (again ? callback(new Error(BROKEN), null) : callback(null, socket)));
      },
      allowH2: false,
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  /**
   * Connects to the first of the URLs that can be connected to. Rejects with `InvitationError`
   * `invitation-address-refused`, `invitation-exchange-failed`.
   */
  static async open(
    parts: InvitationParts,
    endpointUrls: readonly string[],
    signal: AbortSignal,
  ): Promise<Exchange> {
    let failure: unknown;
    for (const endpointUrl of endpointUrls) {
      const timer = new FetchTimer(parts.clock, signal);
      try {
        const url = new URL(endpointUrl);
        const socket = await openTls(parts, url, timer);
        return new Exchange(socket, url, timer, maxSideBytes(parts.bundleLimits));
      } catch (error) {
        timer.close();
        if (!(error instanceof CodedError)) throw error;
        failure ??= error;
      }
    }
    const { code, message } =
      failure instanceof CodedError ? failure : { code: '', message: 'it names no address' };
    throw new InvitationError(
      code === 'address-forbidden' ? 'invitation-address-refused' : 'invitation-exchange-failed',
      `the inviter could not be reached: ${message}`,
      { cause: failure },
    );
  }

  /**
   * Sends a message, and reads the answer within `withinMs`. Rejects with `InvitationError`
   * `invitation-exchange-failed`.
   */
  async send(path: string, message: unknown, withinMs: number): Promise<ExchangeAnswer> {
    const late = () =>
      new FetchError('total-timeout', `${this.#url.host} did not answer within ${withinMs} ms`);
    try {
      return await this.#timer.within(withinMs, late, async () => {
        const response = await this.#client.request({
          method: 'POST',
          path,
          headers: { 'content-type': 'application/json', 'user-agent': 'federate' },
          body: JSON.stringify(message),
          signal: this.#timer.signal,
        });
        const { statusCode: status, body } = response;
        const bytes = await this.#read(body);
        return { status, body: status === 404 ? undefined : objectIn(bytes, this.#maxBytes) };
      });
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : BROKEN;
      throw new InvitationError(
        'invitation-exchange-failed',
        `the exchange with ${this.#url.host} broke off: ${why}`,
        { cause },
      );
    }
  }

  async close(): Promise<void> {
    this.#timer.close();
    this.#socket.destroy();
    await this.#client.destroy(DONE);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #read(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let total = 0;
    for await (const chunk of body) {
      total += chunk.byteLength;
      if (total > this.#maxBytes) throw new Error(`it answered with more than ${this.#maxBytes} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks, total);
  }
}

async function openTls(parts: InvitationParts, url: URL, timer: FetchTimer): Promise<TLSSocket> {
  const { lookup, proxy, fetchLimits: limits, endpoint } = parts;
  const guard = invitationGuard(endpoint.url, parts.guard);
  const tls = secureContextOptions('TLSv1.3');
  return openUnproved({ url, lookup, guard, proxy, limits, timer, tls });
}

function objectIn(bytes: Uint8Array, maxBytes: number): JsonObject | undefined {
  try {
    return jsonObject(bytes, maxBytes);
  } catch (error) {
    if (error instanceof CodedError) return undefined;
    throw error;
  }
}
