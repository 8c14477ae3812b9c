import { type OnReadOpts, Socket } from 'node:net';
import type { BufferPool } from './buffer-pool.ts';

/**
 * One direction of a relay: bytes read into pooled buffers are written to `target` unchanged. A
 * buffer returns to the pool only when its write is done, and reading stops while the target is
 * behind. An idle direction holds one small buffer. Large ones come only after a read has filled
 * the present one.
 */
export class PooledReader {
  readonly #pool: BufferPool;
  #target: Socket | undefined;
  #source: Socket | undefined;
  #size: 'small' | 'large' = 'small';
  /** The buffer that the next read will fill. */
  #waiting: Uint8Array | undefined;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  /** For the constructor of the socket to read from. */
  get onread(): OnReadOpts {
    return {
      buffer: () => {
        this.#waiting = this.#pool.take(this.#size);
        return this.#waiting;
      },
      callback: (count, buffer) => this.#read(count, buffer),
    };
  }

  /** Connects the target. Nothing may be read before this call. */
  connect(source: Socket, target: Socket): void {
    this.#source = source;
    this.#target = target;
    // The handle is closed now, so nothing will be read into the waiting buffer.
    source.once('close', () => {
      if (this.#waiting) this.#pool.give(this.#waiting);
      this.#waiting = undefined;
    });
    target.on('drain', () => this.#source?.resume());
  }

  #read(count: number, buffer: Uint8Array): boolean {
    const target = this.#target;
    if (!target) throw new TypeError('a pooled reader was read from before it was connected');
    this.#waiting = undefined;
    this.#size = count === buffer.length ? 'large' : 'small';
    return target.write(buffer.subarray(0, count), () => this.#pool.give(buffer));
  }
}

/** Options of Node's socket that its types leave out. */
interface UndocumentedOptions {
  readonly handle: object;
  /** Nothing is read before `resume`. */
  readonly manualStart: boolean;
}

/** The parts of Node's socket that its types leave out. */
interface SocketInside {
  _handle: (object & { readStop?: () => number; reading?: boolean }) | null;
  _server: object | null;
  server: object | null;
}

/**
 * Moves an accepted connection into a socket that reads into pooled buffers. Because Node offers
 * that only for sockets it connects itself, the handle moves into a new socket. Returns what the
 * old socket had already read. Undefined when the move is impossible; then the old socket is
 * unchanged. The handle is undocumented: see `canMoveHandles`.
 */
export function moveHandle(
  accepted: Socket,
  reader: PooledReader,
): { readonly socket: Socket; readonly read: Buffer } | undefined {
  const inside = accepted as Socket & SocketInside;
  const handle = inside._handle;
  if (!handle?.readStop || accepted.destroyed || accepted.readableEnded || accepted.writableLength > 0)
    return undefined;
  handle.readStop();
  // Node checks this flag, not the handle, when it should read again.
  handle.reading = false;
  const read: unknown = accepted.read();
  // An end that was already read would not come again in the new socket.
  const { readable } = accepted;
  if (!readable) return undefined;
  const { onread } = reader;
  inside._handle = null;
  const socket = new Socket({
    handle,
    allowHalfOpen: true,
    manualStart: true,
    onread,
  } as ConstructorParameters<typeof Socket>[0] & UndocumentedOptions);
  // The server counts its connections by the socket that closes.
  const moved = socket as Socket & SocketInside;
  moved._server = inside._server;
  moved.server = inside.server;
  inside._server = null;
  inside.server = null;
  accepted.removeAllListeners();
  return { socket, read: Buffer.isBuffer(read) ? read : Buffer.alloc(0) };
}
