/**
 * Writes numbers and texts one after the other, most significant byte first; a text has its length
 * in two bytes before it.
 */
export class ByteWriter {
  readonly #parts: Uint8Array[] = [];

  uint8(value: number): this {
    return this.raw(Uint8Array.of(value), 1);
  }

  uint16(value: number): this {
    if (value > 0xffff) throw new TypeError(`${value} does not fit into two bytes`);
    return this.raw(Uint8Array.of(value >> 8, value & 0xff), 2);
  }

  uint32(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return this.raw(bytes, 4);
  }

  text(value: string): this {
    const bytes = Buffer.from(value, 'utf8');
    return this.uint16(bytes.length).raw(bytes, bytes.length);
  }

  /** Bytes that are known to be so many. */
  raw(bytes: Uint8Array, length: number): this {
    if (bytes.length !== length) throw new TypeError(`${length} bytes are wanted here, not ${bytes.length}`);
    this.#parts.push(bytes);
    return this;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/**
 * Reads what `ByteWriter` wrote. Every method throws `RangeError` where the bytes end too early or
 * have an impossible value.
 */
export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  uint8(): number {
    return this.raw(1).readUInt8();
  }

  uint16(): number {
    return this.raw(2).readUInt16BE();
  }

  uint32(): number {
    return this.raw(4).readUInt32BE();
  }

  text(): string {
    const bytes = this.raw(this.uint16());
    const text = bytes.toString('utf8');
    if (!Buffer.from(text, 'utf8').equals(bytes)) throw new RangeError('a text in it is not UTF-8');
    return text;
  }

  /** 1 to `most` things, after their number in one byte. */
  list<Item>(most: number, item: () => Item): Item[] {
    const count = this.uint8();
    if (count < 1 || count > most)
      throw new RangeError(`a list in it has ${count} entries, not 1 to ${most}`);
    return Array.from({ length: count }, item);
  }

  raw(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new RangeError('it ends too early');
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }

  /** Nothing may follow. */
  end(): void {
    if (this.#at !== this.#bytes.length) throw new RangeError('something follows its end');
  }
}
