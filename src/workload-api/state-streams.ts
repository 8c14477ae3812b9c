import { type ServerWritableStream, status } from '@grpc/grpc-js';
import type { Refusal } from './workload-messages.ts';

/** One message, encoded, or why there is none. */
export type EncodedState = { readonly bytes: Buffer } | { readonly refusal: Refusal };

interface Stream {
  readonly call: ServerWritableStream<unknown, Buffer>;
  sent: Buffer | undefined;
  blocked: boolean;
}

/**
 * The open streams of one method, on which every message is the complete state (WLAPI-13). All
 * share one encoding; equal content is not sent again, and a client that does not read costs one
 * message, whatever changes meanwhile.
 */
export class StateStreams {
  readonly #encode: () => EncodedState;
  readonly #streams = new Set<Stream>();
  #state: EncodedState | undefined;

  constructor(encode: () => EncodedState) {
    this.#encode = encode;
  }

  get size(): number {
    return this.#streams.size;
  }

  /** Sends the present state at once, then every change, until the caller goes or is refused. */
  open(call: ServerWritableStream<unknown, Buffer>): void {
    const stream: Stream = { call, sent: undefined, blocked: false };
    this.#streams.add(stream);
    const forget = () => this.#streams.delete(stream);
    call.on('cancelled', forget);
    call.on('error', forget);
    call.on('close', forget);
    call.on('drain', () => {
      stream.blocked = false;
      this.#push(stream);
    });
    this.#push(stream);
  }

  /** The state may be another. */
  changed(): void {
    this.#state = undefined;
    for (const stream of this.#streams) this.#push(stream);
  }

  #push(stream: Stream): void {
    if (stream.blocked) return;
    this.#state ??= this.#encode();
    if ('refusal' in this.#state) {
      this.#streams.delete(stream);
      refuse(stream.call, this.#state.refusal);
      return;
    }
    const { bytes } = this.#state;
    if (stream.sent === bytes || stream.sent?.equals(bytes) === true) return;
    stream.sent = bytes;
    stream.blocked = !stream.call.write(bytes);
  }
}

/** Ends a call with a status. Emitted, because a call that is destroyed never sends one. */
export function refuse(
  call: { emit(event: 'error', error: Error): unknown },
  { code, message }: Refusal,
): void {
  call.emit('error', Object.assign(new Error(message), { code, details: message }));
}

/** What a call beyond the limit gets. */
export const TOO_MANY: Refusal = { code: status.RESOURCE_EXHAUSTED, message: 'too many streams' };
