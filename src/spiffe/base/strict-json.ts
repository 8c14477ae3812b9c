import { CodedError } from '../../errors/index.ts';

export type JsonErrorCode =
  | 'json-encoding'
  | 'json-syntax'
  | 'json-duplicate-member'
  | 'json-too-deep'
  | 'json-too-large';

/** The bytes are not a JSON text that we accept. */
export class JsonError extends CodedError<JsonErrorCode> {}

/** A number as it was written, so that 64-bit integers keep every digit (TDB-08). */
export class JsonNumber {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }

  /**
   * The value if the number is written as an integer of at most 40 digits, without fraction or
   * exponent.
   */
  get integer(): bigint | undefined {
    // A megabyte of digits would take a tenth of a second to read, and has no meaning here.
    return /^-?[0-9]{1,40}$/.test(this.source) ? BigInt(this.source) : undefined;
  }
}

export type JsonObject = ReadonlyMap<string, JsonValue>;
export type JsonValue = null | boolean | string | JsonNumber | readonly JsonValue[] | JsonObject;

export interface JsonLimits {
  readonly maxBytes: number;
  /** How deep objects and arrays may be nested. */
  readonly maxDepth: number;
}

/**
 * Reads exactly one JSON text (RFC 8259): UTF-8 without byte order mark, no trailing text (TDB-43),
 * no repeated member name in one object, also not in escaped spellings (TDB-20). Objects become
 * maps, numbers keep their source. Throws `JsonError`: `json-too-large`, `json-encoding`,
 * `json-syntax`, `json-duplicate-member`, `json-too-deep`.
 */
export function parseStrictJson(bytes: Uint8Array, limits: JsonLimits): JsonValue {
  if (bytes.length > limits.maxBytes) {
    throw new JsonError(
      'json-too-large',
      `a document has at most ${limits.maxBytes} bytes, this one has ${bytes.length}`,
    );
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new JsonError('json-encoding', 'a JSON text is UTF-8, this one is not', { cause: error });
  }
  if (text.startsWith('\ufeff')) throw new JsonError('json-encoding', 'a JSON text has no byte order mark');
  return new Reader(text, limits.maxDepth).document();
}

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};
const LITERALS: readonly (readonly [string, null | boolean])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
];

class Reader {
  readonly #text: string;
  readonly #maxDepth: number;
  #at = 0;

  constructor(text: string, maxDepth: number) {
    this.#text = text;
    this.#maxDepth = maxDepth;
  }

  document(): JsonValue {
    const value = this.#value(0);
    this.#match(SPACE);
    if (this.#at < this.#text.length) throw this.#syntax('text trails after the value');
    return value;
  }

  #value(depth: number): JsonValue {
    this.#match(SPACE);
    const next = this.#text[this.#at];
    if (next === '{') return this.#object(depth + 1);
    if (next === '[') return this.#array(depth + 1);
    if (next === '"') return this.#string();
    for (const [word, value] of LITERALS) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    }
    const number = this.#match(NUMBER);
    if (number === '') throw this.#syntax('a value should stand here');
    return new JsonNumber(number);
  }

  #object(depth: number): JsonObject {
    this.#enter(depth);
    const members = new Map<string, JsonValue>();
    if (this.#take('}')) return members;
    do {
      this.#match(SPACE);
      if (this.#text[this.#at] !== '"') throw this.#syntax('a member name should stand here');
      const name = this.#string();
      if (members.has(name)) {
        throw new JsonError(
          'json-duplicate-member',
          `member ${JSON.stringify(name.slice(0, 100))} occurs twice in one object`,
        );
      }
      if (!this.#take(':')) throw this.#syntax('a colon should stand here');
      members.set(name, this.#value(depth));
    } while (this.#take(','));
    if (!this.#take('}')) throw this.#syntax('a comma or the end of the object should stand here');
    return members;
  }

  #array(depth: number): JsonValue[] {
    this.#enter(depth);
    const values: JsonValue[] = [];
    if (this.#take(']')) return values;
    do values.push(this.#value(depth));
    while (this.#take(','));
    if (!this.#take(']')) throw this.#syntax('a comma or the end of the array should stand here');
    return values;
  }

  #string(): string {
    this.#at += 1;
    let value = '';
    for (;;) {
      value += this.#plain();
      const next = this.#text[this.#at];
      this.#at += 1;
      if (next === '"') break;
      if (next !== '\\') throw this.#syntax('a string should end here, or go on without control characters');
      value += this.#escape();
    }
    if (!value.isWellFormed()) throw this.#syntax('a string holds no lone surrogates');
    return value;
  }

  /** Everything a string may hold unescaped (RFC 8259 §7). */
  #plain(): string {
    const from = this.#at;
    for (; this.#at < this.#text.length; this.#at += 1) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === 0x22 || code === 0x5c || code < 0x20) break;
    }
    return this.#text.slice(from, this.#at);
  }

  #escape(): string {
    const letter = this.#text[this.#at] ?? '';
    this.#at += 1;
    const simple = ESCAPES[letter];
    if (simple !== undefined) return simple;
    const digits = this.#text.slice(this.#at, this.#at + 4);
    if (letter !== 'u' || !/^[0-9A-Fa-f]{4}$/.test(digits)) throw this.#syntax('an escape should stand here');
    this.#at += 4;
    return String.fromCharCode(Number.parseInt(digits, 16));
  }

  #enter(depth: number): void {
    if (depth > this.#maxDepth) {
      throw new JsonError('json-too-deep', `objects and arrays are nested at most ${this.#maxDepth} deep`);
    }
    this.#at += 1;
  }

  #take(character: string): boolean {
    this.#match(SPACE);
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? '';
    this.#at += found.length;
    return found;
  }

  #syntax(what: string): JsonError {
    return new JsonError('json-syntax', `the text is not JSON: ${what}, at character ${this.#at}`);
  }
}
