import type { Socket } from 'node:net';
import { dripTo } from './drip.ts';
import type { Reception } from './fake-peer.ts';
import type { TestClock } from './test-clock.ts';

/** The beginning of a TLS record that holds the beginning of a ServerHello of 16 MiB: more has to come. */
const SERVER_HELLO_BEGINS = Buffer.from([0x16, 3, 3, 0x40, 0, 2, 0xff, 0xff, 0xff, 3, 3]);

/** Runs `then` once the client has said something, and swallows the rest. */
function afterClientHello(then: (socket: Socket) => void): Reception {
  return (socket) => {
    socket.once('data', () => then(socket));
    socket.resume();
  };
}

/** What a hostile peer does to a connection before there is any TLS on it. */
export const receptions = {
  silence: (): Reception => 'silence',
  resetAtOnce: (): Reception => 'reset',
  closeAtOnce: (): Reception => (socket) => void socket.resume().end(),
  plainHttp: (): Reception => 'plain-http',
  resetDuringTls: (): Reception => afterClientHello((socket) => socket.resetAndDestroy()),
  closeDuringTls: (): Reception => afterClientHello((socket) => socket.end()),
  /** Half a ServerHello, and nothing after it. */
  hangDuringTls: (): Reception => afterClientHello((socket) => socket.write(SERVER_HELLO_BEGINS)),
  /** A ServerHello that comes byte by byte. */
  dripTls: (clock: TestClock): Reception =>
    afterClientHello((socket) => {
      dripTo(socket, clock, Buffer.concat([SERVER_HELLO_BEGINS, Buffer.alloc(16_000)]));
    }),
  /** A handshake without an end, as fast as it is read. */
  endlessTls: (): Reception =>
    afterClientHello((socket) => {
      const record = Buffer.concat([Buffer.from([0x16, 3, 3, 0x40, 0]), Buffer.alloc(0x4000)]);
      const more = () => {
        while (!socket.destroyed && socket.write(record)) {
          // Until the other side reads no more.
        }
      };
      socket.on('drain', more);
      socket.write(Buffer.concat([SERVER_HELLO_BEGINS, Buffer.alloc(0x4000 - 6)]));
      more();
    }),
  /** An alert: 40 is handshake_failure. */
  alert: (): Reception => afterClientHello((socket) => socket.end(Buffer.from([0x15, 3, 3, 0, 2, 2, 40]))),
} as const;
