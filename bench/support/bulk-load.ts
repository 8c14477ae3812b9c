import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** Bulk and connections through an SNI gateway for `up.example`: prints `{ megabytesPerSecond }` or `{ perSecond, medianMs }`. */
interface Load {
  readonly port: number;
  /** Bulk: read one connection to its end. Else: open connections for this many seconds. */
  readonly seconds?: number;
}

const load = JSON.parse(process.argv[2] ?? '{}') as Load;
const hello = await captureHello();
console.log(JSON.stringify(load.seconds === undefined ? await bulk() : await connections(load.seconds)));
process.exit(0);

async function captureHello(): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connectTls({
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    servername: 'up.example',
  });
  client.on('error', () => {});
  const [socket] = (await once(server, 'connection')) as [Socket];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}

async function bulk() {
  let bytes = 0;
  const start = performance.now();
  const onread = {
    buffer: Buffer.alloc(1024 * 1024),
    callback: (count: number) => {
      bytes += count;
      return true;
    },
  };
  const socket = connect({ port: load.port, host: '127.0.0.1', onread });
  socket.write(hello);
  await once(socket, 'end');
  return { megabytesPerSecond: bytes / 1e6 / ((performance.now() - start) / 1000) };
}

async function connections(seconds: number) {
  const times: number[] = [];
  const end = performance.now() + seconds * 1000;
  const worker = async () => {
    while (performance.now() < end) {
      const start = performance.now();
      const socket = connect({ port: load.port, host: '127.0.0.1', noDelay: true });
      socket.write(hello);
      await once(socket, 'data');
      times.push(performance.now() - start);
      socket.destroy();
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  times.sort((a, b) => a - b);
  return { perSecond: times.length / seconds, medianMs: times[Math.floor(times.length / 2)] };
}
