import type { Socket } from 'node:net';
import type { TestClock } from './test-clock.ts';

/** Writes one byte a second of the test clock, until all is written or the connection is gone. */
export function dripTo(socket: Socket, clock: TestClock, bytes: string | Uint8Array): void {
  const gone = new AbortController();
  socket.once('close', () => gone.abort());
  const all = Buffer.from(bytes);
  const run = async () => {
    for (const byte of all) {
      if (gone.signal.aborted) return;
      socket.write(Buffer.from([byte]));
      await clock.sleep(1000, gone.signal);
    }
  };
  run().catch(() => {}); // the connection went while it slept
}
