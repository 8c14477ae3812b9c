import { CLIENT_PREFACE, FRAME_HEADER_BYTES } from './first-flight.ts';

const HEADERS_FRAME = 1;
const PADDED = 0x8;
const PRIORITY = 0x20;
const PRIORITY_BYTES = 5;
/** Our own limit for frames, which is HTTP/2's least. The library refuses longer ones. */
const MAX_FRAME_BYTES = 16_384;
/** `:authority` in HPACK's static table (RFC 7541 appendix A). */
const AUTHORITY_INDEX = 1;
/** Characters that an authority cannot contain (RFC 3986 §3.2), a path's slash above all. */
const NO_AUTHORITY = /[^A-Za-z0-9\-._~!$&'()*+,;=:@[\]%]/g;

/**
 * Makes the bytes of an HTTP/2 client acceptable to nghttp2 where the only fault is its
 * `:authority`. gRPC for Java puts the *path* of a Unix socket there (`/run/federate.sock`).
 * nghttp2 refuses every such request as a protocol error, and on such a socket the value has no
 * use. Each forbidden byte becomes a hyphen. Nothing gets longer or shorter, so that frames and the
 * client's table of headers (HPACK) stay valid. Huffman-coded values stay unchanged, because those
 * clients write such values plain.
 *
 * Returns the bytes to pass on for each chunk. The head of a frame is kept back until all of it is
 * there, at most 16 KiB.
 */
export function createAuthorityRepair(): (chunk: Buffer) => Buffer {
  let kept: Buffer = Buffer.alloc(0);
  let passing = CLIENT_PREFACE.length;
  return (chunk) => {
    const bytes = kept.length > 0 ? Buffer.concat([kept, chunk]) : chunk;
    let at = 0;
    while (at < bytes.length) {
      if (passing > 0) {
        const passed = Math.min(passing, bytes.length - at);
        passing -= passed;
        at += passed;
        continue;
      }
      if (bytes.length - at < FRAME_HEADER_BYTES) break;
      const length = bytes.readUIntBE(at, 3);
      if (bytes[at + 3] === HEADERS_FRAME && length <= MAX_FRAME_BYTES) {
        const end = at + FRAME_HEADER_BYTES + length;
        if (bytes.length < end) break;
        repairHeaders(bytes.subarray(at + FRAME_HEADER_BYTES, end), bytes[at + 4] ?? 0);
        at = end;
      } else passing = FRAME_HEADER_BYTES + length;
    }
    kept = bytes.subarray(at);
    return bytes.subarray(0, at);
  };
}

function repairHeaders(payload: Buffer, flags: number): void {
  const padding = (flags & PADDED) === 0 ? 0 : (payload[0] ?? 0);
  const start = ((flags & PADDED) === 0 ? 0 : 1) + ((flags & PRIORITY) === 0 ? 0 : PRIORITY_BYTES);
  repairBlock(payload.subarray(start, Math.max(start, payload.length - padding)));
}

/**
 * Walks the fields of a header block (RFC 7541 §6). A malformed block stays unchanged, for the
 * library to refuse.
 */
function repairBlock(block: Buffer): void {
  let at = 0;
  while (at < block.length) {
    const first = block[at] ?? 0;
    const indexed = (first & 0x80) !== 0;
    const resize = (first & 0xe0) === 0x20;
    const prefix = indexed ? 7 : (first & 0x40) !== 0 ? 6 : resize ? 5 : 4;
    const index = readInteger(block, at, prefix);
    if (!index) return;
    at = index.end;
    if (indexed || resize) continue;
    if (index.value === 0) {
      const name = readInteger(block, at, 7);
      if (!name) return;
      at = name.end + name.value;
    }
    const length = readInteger(block, at, 7);
    if (!length) return;
    const huffman = ((block[at] ?? 0) & 0x80) !== 0;
    const value = block.subarray(length.end, length.end + length.value);
    if (index.value === AUTHORITY_INDEX && !huffman)
      value.write(value.toString('latin1').replace(NO_AUTHORITY, '-'), 'latin1');
    at = length.end + length.value;
  }
}

/**
 * An integer with a prefix of this many bits (RFC 7541 §5.1), and where it ends; undefined where it
 * does not end, or is absurd.
 */
function readInteger(
  bytes: Buffer,
  at: number,
  prefixBits: number,
): { readonly value: number; readonly end: number } | undefined {
  const mask = 2 ** prefixBits - 1;
  const first = bytes[at];
  if (first === undefined) return undefined;
  if ((first & mask) < mask) return { value: first & mask, end: at + 1 };
  let value = mask;
  for (let index = 0; index < 4; index += 1) {
    const byte = bytes[at + 1 + index];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * index);
    if ((byte & 0x80) === 0) return { value, end: at + 2 + index };
  }
  return undefined;
}
