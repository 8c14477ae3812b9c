import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { captureHello } from '../../testkit/capture-hello.ts';

/** Load on a gateway, with real ClientHellos and no TLS behind them. Prints a `LoadResult`, and for `echo` a median. */
interface Load {
  readonly kind: 'bulk' | 'short' | 'echo';
  readonly port: number;
  readonly connections: number;
  /** `bulk`: transfers per connection, each of `bytes`; `short`, `echo`: how long. */
  readonly transfers: number;
  readonly bytes: number;
  readonly seconds: number;
}

const load = JSON.parse(process.argv[2] ?? '{}') as Load;
const hello = await captureHello({ servername: `${load.kind}.example` });
const RECEIVE = Buffer.alloc(1024 * 1024);
const roundTrips: number[] = [];
let operations = 0;
let failures = 0;
let firstFailure: string | undefined;
const start = performance.now();
const over = () => performance.now() - start > load.seconds * 1000;

/** Opens a connection, says hello, and gives the number of bytes until the other side ends. */
async function fetchAll(): Promise<number> {
  let count = 0;
  const socket = connectTcp({
    host: '127.0.0.1',
    port: load.port,
    allowHalfOpen: true,
    noDelay: true,
    onread: {
      buffer: RECEIVE,
      callback: (length) => {
        count += length;
        return true;
      },
    },
  });
  socket.write(hello);
  await once(socket, 'end');
  socket.end();
  await once(socket, 'close');
  return count;
}

async function transfers(): Promise<void> {
  for (let index = 0; index < load.transfers; index += 1) {
    const count = await fetchAll();
    if (count !== load.bytes) throw new Error(`${count} of ${load.bytes} bytes came`);
    operations += count / (1024 * 1024);
  }
}

async function shortOnes(): Promise<void> {
  while (!over()) {
    if ((await fetchAll()) !== 1) throw new Error('no byte came');
    operations += 1;
  }
}

/** Pings of 64 bytes on one open connection. */
async function pings(): Promise<void> {
  const socket = connectTcp({ host: '127.0.0.1', port: load.port, noDelay: true });
  socket.write(hello);
  await once(socket, 'data');
  const ping = Buffer.alloc(64, 7);
  while (!over()) {
    const from = performance.now();
    socket.write(ping);
    for (let count = 0; count < ping.length; ) {
      const [part] = (await once(socket, 'data')) as [Buffer];
      count += part.length;
    }
    roundTrips.push((performance.now() - from) * 1000);
    operations += 1;
  }
  socket.destroy();
}

const work = { bulk: transfers, short: shortOnes, echo: pings }[load.kind];
await Promise.all(
  Array.from({ length: load.connections }, () =>
    work().catch((error: unknown) => {
      failures += 1;
      firstFailure ??= error instanceof Error ? error.message : String(error);
    }),
  ),
);
const seconds = (performance.now() - start) / 1000;
const p50 = roundTrips.sort((a, b) => a - b)[Math.floor(roundTrips.length / 2)];
console.log(JSON.stringify({ operations, failures, firstFailure, seconds, p50 }));
