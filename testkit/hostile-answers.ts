import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { dripTo } from './drip.ts';
import { type Answer, head } from './fake-peer.ts';
import type { TestClock } from './test-clock.ts';

const json = { 'content-type': 'application/json' };

/** Ten thousand to one: what a few kilobytes on the wire would become. */
const BOMB = Buffer.alloc(64 * 1024 * 1024, 0x20);
const packed = new Map<string, Buffer>();

function bombIn(encoding: 'gzip' | 'br' | 'deflate'): Buffer {
  const pack = { gzip: gzipSync, br: brotliCompressSync, deflate: deflateSync }[encoding];
  const bytes = packed.get(encoding) ?? pack(BOMB);
  packed.set(encoding, bytes);
  return bytes;
}

/** Writes what `next` gives as fast as the other side takes it, until the connection is gone. */
function flood(socket: Parameters<Answer>[0], next: () => string): void {
  const more = () => {
    while (!socket.destroyed && socket.write(next())) {
      // Until the other side reads no more.
    }
  };
  socket.on('drain', more);
  more();
}

/** How a hostile peer answers over a connection that it has every right to, beyond what `answers` does. */
export const hostileAnswers = {
  /** The head byte by byte. */
  dripHead:
    (clock: TestClock, body: string): Answer =>
    (socket) =>
      dripTo(socket, clock, `${head(200, { ...json, 'content-length': String(body.length) })}${body}`),
  /** The body byte by byte. */
  dripBody:
    (clock: TestClock, body: string): Answer =>
    (socket) => {
      socket.write(head(200, { ...json, 'content-length': String(body.length) }));
      dripTo(socket, clock, body);
    },
  /** The head, half the body, and nothing after it. */
  hangInBody:
    (body: string): Answer =>
    (socket) => {
      socket.write(head(200, { ...json, 'content-length': String(body.length) }));
      socket.write(body.slice(0, body.length / 2));
    },
  /** Half the head, then as told. */
  breakInHead:
    (how: 'reset' | 'close' | 'hang'): Answer =>
    (socket, _request, reset) => {
      const written = () => {
        if (how === 'reset') reset();
        if (how === 'close') socket.end();
      };
      socket.write('HTTP/1.1 200 OK\r\ncontent-ty', written);
    },
  /** A body without an end, as fast as it is read, with or without a length that was announced. */
  endlessBody:
    (framing: 'chunked' | 'until-close'): Answer =>
    (socket) => {
      const chunked = framing === 'chunked';
      socket.write(head(200, chunked ? { ...json, 'transfer-encoding': 'chunked' } : json));
      const spaces = ' '.repeat(0x4000);
      flood(socket, () => (chunked ? `4000\r\n${spaces}\r\n` : spaces));
    },
  /** One chunk whose size line never ends. */
  endlessChunkExtension: (): Answer => (socket) => {
    socket.write(head(200, { ...json, 'transfer-encoding': 'chunked' }));
    socket.write('1;');
    flood(socket, () => 'a'.repeat(0x4000));
  },
  /** A whole document, then trailers that never end. */
  endlessTrailers:
    (body: string): Answer =>
    (socket) => {
      socket.write(head(200, { ...json, 'transfer-encoding': 'chunked' }));
      socket.write(`${body.length.toString(16)}\r\n${body}\r\n0\r\n`);
      let count = 0;
      flood(socket, () => `x-${(count += 1)}: ${'a'.repeat(4096)}\r\n`);
    },
  /** One header line that never ends. */
  endlessHeader: (): Answer => (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nx: ');
    flood(socket, () => 'a'.repeat(0x4000));
  },
  /** Interim responses without an end, as fast as they are read. */
  endlessInterim: (): Answer => (socket) =>
    flood(socket, () => 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(100)),
  /** 64 MiB of spaces in a few kilobytes, although only identity was asked for. */
  bomb:
    (encoding: 'gzip' | 'br' | 'deflate', announced: string = encoding): Answer =>
    (socket) => {
      const body = bombIn(encoding);
      const length = { 'content-length': String(body.length) };
      socket.write(head(200, { ...json, 'content-encoding': announced, ...length }));
      socket.end(body);
    },
  /** A head and a body exactly as given. */
  raw:
    (text: string): Answer =>
    (socket) =>
      void socket.end(text),
} as const;
