import { type AddressInfo, createServer } from 'node:net';

/** Answers every connection with `megabytes` (0: with one byte) after its first bytes; prints its port. */
const { megabytes } = JSON.parse(process.argv[2] ?? '{}') as { megabytes: number };
const chunk = Buffer.alloc(256 * 1024, 1);
const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
  socket.on('error', () => {});
  socket.once('data', () => {
    if (megabytes === 0) {
      socket.write('x');
      return;
    }
    let left = megabytes * 4;
    const more = () => {
      while (left > 0) {
        left -= 1;
        if (!socket.write(chunk)) {
          socket.once('drain', more);
          return;
        }
      }
      socket.end();
    };
    more();
  });
  socket.on('end', () => socket.end());
  socket.resume();
});
server.listen(0, '127.0.0.1', () =>
  console.log(JSON.stringify({ port: (server.address() as AddressInfo).port })),
);
