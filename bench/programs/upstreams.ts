import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

/** What stands behind the gateways; each begins once it has a ClientHello. Prints the port of each. */
const { bulkBytes } = JSON.parse(process.argv[2] ?? '{}') as { readonly bulkBytes: number };
const CHUNK = Buffer.alloc(256 * 1024, 1);

async function listen(begin: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on('error', () => {});
    socket.once('data', () => begin(socket));
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** `bulkBytes`, then the end. */
const bulk = await listen((socket) => {
  socket.resume();
  let left = bulkBytes;
  const pour = () => {
    while (left > 0) {
      left -= CHUNK.length;
      if (!socket.write(CHUNK)) {
        socket.once('drain', pour);
        return;
      }
    }
    socket.end();
  };
  pour();
});
/** One byte, then the end. */
const short = await listen((socket) => {
  socket.resume();
  socket.end('!');
});
/** One byte as a greeting, then every byte back. */
const echo = await listen((socket) => {
  socket.write('!');
  socket.on('data', (part) => socket.write(part));
  socket.on('end', () => socket.end());
});
console.log(JSON.stringify({ bulk, short, echo }));
