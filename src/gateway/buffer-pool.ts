/**
 * Buffers for reads, in two sizes, used again and again: a relay that allocates spends its time in
 * garbage collection.
 */
export class BufferPool {
  readonly smallBytes: number;
  readonly largeBytes: number;
  readonly #small: Uint8Array[] = [];
  readonly #large: Uint8Array[] = [];
  readonly #maxKept: number;

  /** `maxKept` buffers of each size are kept for later; more are left to the garbage collector. */
  constructor(options: {
    readonly smallBytes: number;
    readonly largeBytes: number;
    readonly maxKept: number;
  }) {
    this.smallBytes = options.smallBytes;
    this.largeBytes = options.largeBytes;
    this.#maxKept = options.maxKept;
  }

  take(size: 'small' | 'large'): Uint8Array {
    const free = size === 'small' ? this.#small : this.#large;
    return free.pop() ?? Buffer.allocUnsafeSlow(size === 'small' ? this.smallBytes : this.largeBytes);
  }

  /** Gives a buffer back; nobody may use it after this. */
  give(buffer: Uint8Array): void {
    const free = buffer.length === this.smallBytes ? this.#small : this.#large;
    if (free.length < this.#maxKept) free.push(buffer);
  }
}
