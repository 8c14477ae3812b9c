import { type ServerWritableStream, status } from '@grpc/grpc-js';
import type { Refusal } from './workload-messages.ts';

/** One encoded message, or why there is none. */
export type EncodedState = { readonly bytes: Buffer } | { readonly refusal: Refusal };

interface Stream {
  readonly call: ServerWritableStream<unknown, Buffer>;
  sent: Buffer | undefined;
  blocked: boolean;
}

/**
 * The open streams of one method, on which every message is the complete state (WLAPI-13). All
 * share one encoding. Equal content is not sent again. A client that does not read costs one
 * message, however many changes come.
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

  /** Sends the present state where it has changed. */
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

/** Ends a call with a status. Emits it, because a destroyed call never sends one. */
export function refuse(
  call: { emit(event: 'error', error: Error): unknown },
  { code, message }: Refusal,
): void {
  call.emit('error', Object.assign(new Error(message), { code, details: message }));
}

/** The refusal of a call beyond the limit. */
export const TOO_MANY: Refusal = { code: status.RESOURCE_EXHAUSTED, message: 'too many streams' };
