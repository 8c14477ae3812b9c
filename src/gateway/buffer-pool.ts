/**
 * Buffers for reads, in two sizes, which are reused. A relay that allocates spends its time in
 * garbage collection.
 */
export class BufferPool {
  readonly smallBytes: number;
  readonly largeBytes: number;
  readonly #small: Uint8Array[] = [];
  readonly #large: Uint8Array[] = [];
  readonly #maxKept: number;

  /**
   * Keeps up to `maxKept` buffers of each size for later; the garbage collector takes the others.
   */
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

  /** Returns a buffer to the pool. The caller must not use it after this. */
  give(buffer: Uint8Array): void {
    const free = buffer.length === this.smallBytes ? this.#small : this.#large;
    if (free.length < this.#maxKept) free.push(buffer);
  }
}
