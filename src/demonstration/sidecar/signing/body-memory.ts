import type { IncomingMessage } from 'node:http';
import { SidecarError } from '../errors.ts';
import type { Exchange } from '../exchange/exchange.ts';

/** Bytes of all contents that one side of a sidecar holds at the same time. */
const MOST_BYTES = 64 * 1024 * 1024;

/** Reads contents as a whole, within a limit for each and one for all. */
export class BodyMemory {
  #held = 0;

  /**
   * The content of a request; held until the exchange ends. Rejects with `SidecarError`
   * `content-too-large`, `content-memory-full`; with the signal's reason when it aborts, and with
   * `peer-broke` when the request breaks off.
   */
  async read(exchange: Exchange, maxBytes: number, signal: AbortSignal): Promise<Buffer> {
    const { incoming } = exchange;
    if (Number(incoming.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes);
    const parts: Buffer[] = [];
    let length = 0;
    exchange.onClose(() => {
      this.#held -= length;
    });
    for await (const part of partsOf(incoming, signal)) {
      length += part.length;
      this.#held += part.length;
      exchange.requestBytes += part.length;
      if (length > maxBytes) throw tooLarge(maxBytes);
      if (this.#held > MOST_BYTES)
        throw new SidecarError(
          'content-memory-full',
          `the contents of all requests are larger than ${MOST_BYTES} bytes, which is the limit`,
        );
      parts.push(part);
    }
    return Buffer.concat(parts, length);
  }
}

/** The parts of a content. The request stays usable when the reader stops. */
async function* partsOf(incoming: IncomingMessage, signal: AbortSignal): AsyncGenerator<Buffer> {
  signal.throwIfAborted();
  const iterator = incoming.iterator({ destroyOnReturn: false });
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  aborted.catch(() => {});
  try {
    for (;;) {
      const next: IteratorResult<unknown> = await Promise.race([iterator.next(), aborted]);
      if (next.done === true) return;
      if (next.value instanceof Buffer) yield next.value;
    }
  } catch (cause) {
    if (cause instanceof SidecarError) throw cause;
    throw new SidecarError('peer-broke', 'the request broke off', { cause });
  }
}

function tooLarge(maxBytes: number): SidecarError {
  return new SidecarError(
    'content-too-large',
    `the content of a signed request has at most ${maxBytes} bytes`,
  );
}
