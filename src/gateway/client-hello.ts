/** What the first bytes of a connection turned out to be. */
export type ClientHello =
  | { readonly kind: 'need-more' }
  | { readonly kind: 'hello'; readonly serverName: string | undefined }
  | { readonly kind: 'refused'; readonly code: ClientHelloRefusal };

export type ClientHelloRefusal =
  /** The first byte begins no TLS handshake record: plain HTTP, an old SSL, or noise. */
  | 'not-tls'
  | 'hello-malformed'
  | 'hello-too-large'
  /** More than one server name, or the extension twice: two readers could choose differently. */
  | 'server-name-ambiguous'
  | 'server-name-invalid';

/** A ClientHello larger than this is refused; real ones stay under 2 KiB. */
export const MAX_CLIENT_HELLO_BYTES = 16 * 1024;

const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME_EXTENSION = 0;
const HOST_NAME = 0;
const MAX_RECORD_BYTES = 16 * 1024;

const NEED_MORE: ClientHello = { kind: 'need-more' };

/**
 * Reads the server name from the first bytes of a TLS connection, whole from the beginning each time, however they are cut into
 * segments and records (RFC 8446 §4.1.2, §5.1; RFC 6066 §3). Never throws. The name comes back in lower case, without a
 * dot at the end; absent when the client named none.
 */
export function readClientHello(bytes: Uint8Array): ClientHello {
  const message = joinRecords(bytes);
  if (!(message instanceof Uint8Array)) return message;
  const reader = new Reader(message);
  reader.skip(4); // type and length, checked by joinRecords
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

/** The handshake message out of the records that carry it, or why it is not there (yet). */
function joinRecords(bytes: Uint8Array): Uint8Array | ClientHello {
  const parts: Uint8Array[] = [];
  let have = 0;
  let wanted = 4;
  let offset = 0;
  while (have < wanted) {
    if (offset > MAX_CLIENT_HELLO_BYTES) return refused('hello-too-large');
    const [type, major] = bytes.subarray(offset, offset + 2);
    if (type === undefined) return NEED_MORE;
    if (type !== HANDSHAKE_RECORD || (major !== undefined && major !== 3))
      return refused(offset === 0 ? 'not-tls' : 'hello-malformed');
    if (bytes.length < offset + 5) return NEED_MORE;
    const length = ((bytes[offset + 3] ?? 0) << 8) | (bytes[offset + 4] ?? 0);
    if (length === 0 || length > MAX_RECORD_BYTES) return refused('hello-malformed');
    const body = bytes.subarray(offset + 5, offset + 5 + length);
    parts.push(body);
    have += body.length;
    if (have >= 4 && wanted === 4) {
      const head = Buffer.concat(parts).subarray(0, 4);
      if (head[0] !== CLIENT_HELLO) return refused('hello-malformed');
      wanted = 4 + head.readUIntBE(1, 3);
      if (wanted > MAX_CLIENT_HELLO_BYTES) return refused('hello-too-large');
    }
    if (have >= wanted) break;
    if (body.length < length) return NEED_MORE;
    offset += 5 + length;
  }
  return Buffer.concat(parts).subarray(0, wanted);
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

/** Lower case, without a dot at the end; undefined when it is no host name: letters, digits, hyphen, underscore and dots. */
export function normalizeServerName(text: string): string | undefined {
  const name = text.toLowerCase().replace(/\.$/, '');
  const valid =
    name.length > 0 && name.length <= 253 && /^[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/.test(name);
  return valid ? name : undefined;
}

function refused(code: ClientHelloRefusal): ClientHello {
  return { kind: 'refused', code };
}

/** Reads big-endian fields; past the end it reads nothing and says so. */
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
      // So that a loop "until the end" ends.
      this.#offset = this.#bytes.length;
      return new Uint8Array();
    }
    const part = this.#bytes.subarray(this.#offset, this.#offset + count);
    this.#offset += count;
    return part;
  }
}
