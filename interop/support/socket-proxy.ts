import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A TCP port of the loopback that leads to a Unix socket, for programs that speak HTTP over TCP only. */
export interface SocketProxy extends AsyncDisposable {
  readonly url: string;
}

/** Opens one until the scope ends. */
export async function proxyTo(socketPath: string): Promise<SocketProxy> {
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const agent = connect(socketPath);
    for (const [from, to] of [
      [client, agent],
      [agent, client],
    ] as const) {
      open.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => open.delete(from));
      from.pipe(to);
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
