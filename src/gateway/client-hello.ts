/** The result of reading the first bytes of a connection. */
export type ClientHello =
  | { readonly kind: 'need-more' }
  | { readonly kind: 'hello'; readonly serverName: string | undefined }
  | { readonly kind: 'refused'; readonly code: ClientHelloRefusal };

export type ClientHelloRefusal =
  /** The first byte does not begin a TLS handshake record: plain HTTP, an old SSL, or noise. */
  | 'not-tls'
  | 'hello-malformed'
  | 'hello-too-large'
  /** More than one server name, or the extension twice: two readers could choose differently. */
  | 'server-name-ambiguous'
  | 'server-name-invalid';

/** A ClientHello larger than this is refused; real ones stay under 2 KiB. */
const MAX_CLIENT_HELLO_BYTES = 16 * 1024;

/**
 * Clients use one record, or two with a large key share. More records than this are refused as too
 * large.
 */
export const MAX_CLIENT_HELLO_RECORDS = 16;

const RECORD_HEADER_BYTES = 5;
const MESSAGE_HEAD_BYTES = 4;
const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME_EXTENSION = 0;
const HOST_NAME = 0;
const MAX_RECORD_BYTES = 16 * 1024;

const NEED_MORE: ClientHello = { kind: 'need-more' };

/**
 * Reads the server name from the first bytes of a TLS connection, for any split into segments and
 * records (RFC 8446 §4.1.2, §5.1; RFC 6066 §3). Continues where the last segment ended, so that a
 * byte costs the same however many came before it. Never throws. The name is in lower case, without
 * a dot at the end; absent when the client named none.
 */
export class ClientHelloReader {
  readonly #header: number[] = [];
  readonly #parts: Uint8Array[] = [];
  /** The first four bytes of the message: its type and length. */
  readonly #head: number[] = [];
  #records = 0;
  /** Bytes of the present record that are still missing. */
  #left = 0;
  #have = 0;
  #wanted: number | undefined;
  #result: ClientHello = NEED_MORE;

  /** Takes the next bytes, and judges all bytes so far. */
  push(bytes: Uint8Array): ClientHello {
    for (let at = 0; at < bytes.length && this.#result === NEED_MORE; ) {
      if (this.#left === 0) {
        this.#takeHeaderByte(bytes[at] ?? 0);
        at += 1;
      } else {
        const part = bytes.subarray(at, at + this.#left);
        this.#takeBody(part);
        at += part.length;
      }
    }
    return this.#result;
  }

  #takeHeaderByte(byte: number): void {
    this.#header.push(byte);
    const [type, major, , high = 0, low = 0] = this.#header;
    if (type !== HANDSHAKE_RECORD || (major !== undefined && major !== 3)) {
      this.#result = refused(this.#records === 0 ? 'not-tls' : 'hello-malformed');
      return;
    }
    if (this.#header.length < RECORD_HEADER_BYTES) return;
    this.#header.length = 0;
    this.#records += 1;
    this.#left = (high << 8) | low;
    if (this.#left === 0 || this.#left > MAX_RECORD_BYTES) this.#result = refused('hello-malformed');
    else if (this.#records > MAX_CLIENT_HELLO_RECORDS) this.#result = refused('hello-too-large');
  }

  #takeBody(part: Uint8Array): void {
    this.#left -= part.length;
    this.#have += part.length;
    this.#parts.push(part);
    if (this.#wanted === undefined) {
      this.#head.push(...part.subarray(0, MESSAGE_HEAD_BYTES - this.#head.length));
      const [type, ...length] = this.#head;
      if (length.length < MESSAGE_HEAD_BYTES - 1) return;
      this.#wanted = MESSAGE_HEAD_BYTES + length.reduce((sum, byte) => sum * 256 + byte, 0);
      if (type !== CLIENT_HELLO) this.#result = refused('hello-malformed');
      else if (this.#wanted > MAX_CLIENT_HELLO_BYTES) this.#result = refused('hello-too-large');
    }
    if (this.#result === NEED_MORE && this.#have >= this.#wanted)
      this.#result = readMessage(Buffer.concat(this.#parts).subarray(0, this.#wanted));
  }
}

/** The result of `ClientHelloReader` for bytes in one piece. */
export function readClientHello(bytes: Uint8Array): ClientHello {
  return new ClientHelloReader().push(bytes);
}

function readMessage(message: Uint8Array): ClientHello {
  const reader = new Reader(message);
  reader.skip(MESSAGE_HEAD_BYTES); // type and length, already read
  reader.skip(2 + 32); // legacy version, random
  reader.vector(1); // legacy session ID
  reader.vector(2); // cipher suites
  reader.vector(1); // legacy compression methods
  if (reader.failed) return refused('hello-malformed');
  if (reader.atEnd) return { kind: 'hello', serverName: undefined };
  const extensions = new Reader(reader.vector(2));
  if (reader.failed || !reader.atEnd) return refused('hello-malformed');
  let found: Uint8Array | undefined;
  while (!extensions.atEnd) {
    const type = extensions.uint(2);
    const body = extensions.vector(2);
    if (extensions.failed) return refused('hello-malformed');
    if (type !== SERVER_NAME_EXTENSION) continue;
    if (found) return refused('server-name-ambiguous');
    found = body;
  }
  return found ? readServerName(found) : { kind: 'hello', serverName: undefined };
}

function readServerName(body: Uint8Array): ClientHello {
  const outer = new Reader(body);
  const list = new Reader(outer.vector(2));
  if (outer.failed || !outer.atEnd || list.atEnd) return refused('hello-malformed');
  const type = list.uint(1);
  const name = list.vector(2);
  if (list.failed) return refused('hello-malformed');
  if (!list.atEnd) return refused('server-name-ambiguous');
  if (type !== HOST_NAME) return refused('server-name-invalid');
  const serverName = normalizeServerName(Buffer.from(name).toString('latin1'));
  return serverName === undefined ? refused('server-name-invalid') : { kind: 'hello', serverName };
}

/**
 * Lower case, without a dot at the end; undefined when the text is not a host name: letters,
 * digits, hyphen, underscore and dots.
 */
export function normalizeServerName(text: string): string | undefined {
  const name = text.toLowerCase().replace(/\.$/, '');
  const valid =
    name.length > 0 && name.length <= 253 && /^[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/.test(name);
  return valid ? name : undefined;
}

function refused(code: ClientHelloRefusal): ClientHello {
  return { kind: 'refused', code };
}

/** Reads big-endian fields. Past the end it reads nothing and reports that. */
class Reader {
  readonly #bytes: Uint8Array;
  #offset = 0;
  failed = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#offset === this.#bytes.length;
  }

  uint(size: number): number {
    let value = 0;
    for (const byte of this.take(size)) value = value * 256 + byte;
    return value;
  }

  /** The bytes after a length of `size` bytes. */
  vector(size: number): Uint8Array {
    return this.take(this.uint(size));
  }

  skip(count: number): void {
    this.take(count);
  }

  take(count: number): Uint8Array {
    if (this.failed || this.#offset + count > this.#bytes.length) {
      this.failed = true;
      // So that a loop "until the end" stops.
      this.#offset = this.#bytes.length;
      return new Uint8Array();
    }
    const part = this.#bytes.subarray(this.#offset, this.#offset + count);
    this.#offset += count;
    return part;
  }
}
