import { CodedError } from '../../errors/index.ts';

/** The bytes are not the DER they should be. */
export class DerError extends CodedError<'der-malformed'> {
  constructor(message: string, options?: ErrorOptions) {
    super('der-malformed', message, options);
  }
}

/**
 * The tags that occur in certificates (X.690 §8). Context tags are `CONTEXT | n`, constructed ones
 * also have `CONSTRUCTED`.
 */
export const Tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  numericString: 0x12,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

export const CONTEXT = 0x80;
export const CONSTRUCTED = 0x20;

/**
 * Walks DER from left to right, and refuses everything that has more than one encoding. These are
 * indefinite and non-minimal lengths, padded integers, booleans other than 0x00 and 0xFF, set
 * unused bits and high tag numbers. Every reader ends with `end()`, so that nothing trails. Throws
 * `DerError`; never reads beyond its slice and copies nothing.
 */
export class DerReader {
  readonly bytes: Uint8Array;
  #position: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.#position = start;
    this.#end = end;
  }

  get done(): boolean {
    return this.#position >= this.#end;
  }

  /** The tag of the next element, or -1 at the end. */
  get nextTag(): number {
    return this.done ? -1 : (this.bytes[this.#position] ?? -1);
  }

  /** Refuses remaining bytes. */
  end(): void {
    if (!this.done)
      throw new DerError(`${this.#end - this.#position} bytes trail where the element should end`);
  }

  /** The content of the next element, which must have this tag. */
  content(tag: number): Uint8Array {
    const [start, end] = this.#step(tag);
    return this.bytes.subarray(start, end);
  }

  /** The whole next element, header included; of this tag if one is given. */
  element(tag?: number): Uint8Array {
    const from = this.#position;
    const [, end] = this.#step(tag);
    return this.bytes.subarray(from, end);
  }

  /** A reader over the content of the next element, which must have this tag. */
  enter(tag: number): DerReader {
    const [start, end] = this.#step(tag);
    return new DerReader(this.bytes, start, end);
  }

  /**
   * A reader over the content if the next element has this tag, else undefined without reading
   * anything.
   */
  enterOptional(tag: number): DerReader | undefined {
    return this.nextTag === tag ? this.enter(tag) : undefined;
  }

  boolean(): boolean {
    const content = this.content(Tag.boolean);
    if (content.length !== 1 || (content[0] !== 0x00 && content[0] !== 0xff)) {
      throw new DerError('a boolean is one byte, 0x00 or 0xFF');
    }
    return content[0] === 0xff;
  }

  /** The two's complement bytes of an INTEGER, minimal as DER requires. */
  integer(tag: number = Tag.integer): Uint8Array {
    const content = this.content(tag);
    const [first, second] = content;
    if (first === undefined) throw new DerError('an integer has at least one byte');
    if (second !== undefined && ((first === 0x00 && second < 0x80) || (first === 0xff && second >= 0x80))) {
      throw new DerError('an integer is encoded in as few bytes as it needs');
    }
    return content;
  }

  /** An INTEGER from 0 to `maximum`, as the small counters of certificates are. */
  smallInteger(maximum: number, tag: number = Tag.integer): number {
    const content = this.integer(tag);
    if ((content[0] ?? 0) >= 0x80) throw new DerError('the integer is negative, which is not allowed here');
    let value = 0;
    for (const byte of content) {
      value = value * 256 + byte;
      if (value > maximum) throw new DerError(`the integer is larger than ${maximum}`);
    }
    return value;
  }

  objectIdentifier(tag: number = Tag.objectIdentifier): string {
    return decodeObjectIdentifier(this.content(tag));
  }

  /** The bytes of a BIT STRING that holds whole bytes, as keys and signatures do. */
  wholeBytes(tag: number = Tag.bitString): Uint8Array {
    const content = this.content(tag);
    if (content[0] !== 0) throw new DerError('the bit string does not hold whole bytes');
    return content.subarray(1);
  }

  /** The set bits of a named bit list (X.690 §11.2.2: trailing zero bits are left out). */
  namedBits(tag: number = Tag.bitString): ReadonlySet<number> {
    const content = this.content(tag);
    const unused = content[0];
    const last = content.at(-1);
    if (unused === undefined || unused > 7 || (content.length === 1 && unused !== 0)) {
      throw new DerError('the bit string states a wrong number of unused bits');
    }
    const bits = new Set<number>();
    if (content.length === 1 || last === undefined) return bits;
    if ((last & ((1 << unused) - 1)) !== 0) throw new DerError('the unused bits of a bit string are zero');
    if ((last & (1 << unused)) === 0) throw new DerError('a named bit list has no trailing zero bits');
    if (content.length > 16) throw new DerError('a named bit list is short');
    for (let index = 1; index < content.length; index += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        if (((content[index] ?? 0) & (0x80 >> bit)) !== 0) bits.add((index - 1) * 8 + bit);
      }
    }
    return bits;
  }

  /**
   * A UTCTime or GeneralizedTime in the one form RFC 5280 §4.1.2.5 allows: seconds, `Z`, no
   * fraction.
   */
  time(): Date {
    const tag = this.nextTag;
    if (tag !== Tag.utcTime && tag !== Tag.generalizedTime)
      throw new DerError('a time is a UTCTime or a GeneralizedTime');
    return decodeTime(this.content(tag), tag === Tag.utcTime ? 2 : 4);
  }

  #step(tag: number | undefined): [number, number] {
    const { bytes } = this;
    const found = this.nextTag;
    if (found === -1) throw new DerError('the data ends where an element should begin');
    if ((found & 0x1f) === 0x1f) throw new DerError('tag numbers above 30 do not occur');
    if (tag !== undefined && found !== tag) {
      throw new DerError(`tag 0x${found.toString(16)} stands where 0x${tag.toString(16)} should`);
    }
    let at = this.#position + 1;
    const first = at < this.#end ? bytes[at] : undefined;
    if (first === undefined) throw new DerError('the data ends inside a header');
    at += 1;
    let length = first;
    if (first >= 0x80) {
      const count = first & 0x7f;
      if (count === 0) throw new DerError('indefinite lengths are not DER');
      if (count > 4) throw new DerError('a length takes at most four bytes');
      if (at + count > this.#end) throw new DerError('the data ends inside a header');
      length = 0;
      for (let index = 0; index < count; index += 1) length = length * 256 + (bytes[at + index] ?? 0);
      if (length < 0x80 || bytes[at] === 0)
        throw new DerError('a length is encoded in as few bytes as it needs');
      at += count;
    }
    if (length > this.#end - at) throw new DerError('an element is longer than the data around it');
    this.#position = at + length;
    return [at, this.#position];
  }
}

function decodeObjectIdentifier(content: Uint8Array): string {
  if (content.length === 0 || content.length > 64)
    throw new DerError('an object identifier has 1 to 64 bytes');
  if ((content.at(-1) ?? 0) >= 0x80) throw new DerError('an object identifier ends inside an arc');
  let text = '';
  let arc = 0;
  let digits = 0;
  for (const byte of content) {
    if (digits === 0 && byte === 0x80)
      throw new DerError('an arc of an object identifier has no leading zeros');
    digits += 1;
    // Seven digits of seven bits fit a number exactly; only UUID arcs (2.25.x) need more.
    if (digits > 7) return decodeLongObjectIdentifier(content);
    arc = arc * 128 + (byte & 0x7f);
    if (byte >= 0x80) continue;
    text += text === '' ? firstTwoArcs(arc) : `.${arc}`;
    arc = 0;
    digits = 0;
  }
  return text;
}

/** Both arcs of the first number, which combines them (X.690 §8.19.4). */
function firstTwoArcs(joined: number): string {
  const root = joined < 40 ? 0 : joined < 80 ? 1 : 2;
  return `${root}.${joined - 40 * root}`;
}

/**
 * The same with arcs of any size. Only for content whose form was checked up to the first long arc.
 */
function decodeLongObjectIdentifier(content: Uint8Array): string {
  let text = '';
  let arc = 0n;
  let begins = true;
  for (const byte of content) {
    if (begins && byte === 0x80) throw new DerError('an arc of an object identifier has no leading zeros');
    arc = arc * 128n + BigInt(byte & 0x7f);
    begins = byte < 0x80;
    if (!begins) continue;
    text += text === '' ? (arc < 80n ? firstTwoArcs(Number(arc)) : `2.${arc - 80n}`) : `.${arc}`;
    arc = 0n;
  }
  return text;
}

function decodeTime(content: Uint8Array, yearDigits: 2 | 4): Date {
  if (content.length !== yearDigits + 11 || content.at(-1) !== 0x5a) {
    throw new DerError('a time states seconds, no fraction, and ends in Z');
  }
  const number = (from: number, count: number): number => {
    let value = 0;
    for (let index = from; index < from + count; index += 1) {
      const digit = (content[index] ?? 0) - 0x30;
      if (digit < 0 || digit > 9) throw new DerError('a time is made of digits');
      value = value * 10 + digit;
    }
    return value;
  };
  const short = number(0, yearDigits);
  const year = yearDigits === 4 ? short : short + (short < 50 ? 2000 : 1900);
  const [month, day, hour, minute, second] = [0, 2, 4, 6, 8].map((offset) => number(yearDigits + offset, 2));
  if (
    month === undefined ||
    day === undefined ||
    hour === undefined ||
    minute === undefined ||
    second === undefined
  ) {
    throw new TypeError('unreachable: five numbers were read');
  }
  const instant = new Date(0);
  instant.setUTCFullYear(year, month - 1, day);
  instant.setUTCHours(hour, minute, second);
  const exact =
    instant.getUTCFullYear() === year &&
    instant.getUTCMonth() === month - 1 &&
    instant.getUTCDate() === day &&
    instant.getUTCHours() === hour &&
    instant.getUTCMinutes() === minute &&
    instant.getUTCSeconds() === second;
  if (!exact) throw new DerError('a time names an instant that exists');
  return instant;
}

/** Whether two byte strings are equal. Not in constant time, because no secret is compared. */
export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index += 1) if (a[index] !== b[index]) return false;
  return true;
}
