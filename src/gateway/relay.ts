import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { BufferPool } from './buffer-pool.ts';
import { moveHandle, PooledReader } from './pooled-socket.ts';
import { splice, type SpliceResult } from './splice.ts';

/** Passes a connection on: how it dials the upstream, and how the bytes move. */
export interface Relay {
  readonly kind: 'pooled' | 'pipe';
  /** Begins to connect; pass the socket to `run` once it is connected. */
  dial(target: { readonly host: string; readonly port: number }): DialedUpstream;
}

export interface DialedUpstream {
  readonly socket: Socket;
  /** Passes `first` and everything after it until both sides have ended. */
  run(client: Socket, first: Buffer, idleTimeoutMs: number): Promise<SpliceResult>;
}

/** Node's own pipes: documented, and correct everywhere. */
export const pipeRelay: Relay = {
  kind: 'pipe',
  dial: (target) => {
    const socket = connect({ ...target, allowHalfOpen: true, noDelay: true });
    socket.on('error', () => {});
    return {
      socket,
      run: (client, first, idleTimeoutMs) => splice(client, socket, first, idleTimeoutMs, 'pipe'),
    };
  },
};

/**
 * Reads into pooled buffers in both directions; about twice as fast in bulk. It moves handles, so
 * `chooseRelay` tries it first.
 */
export function createPooledRelay(): Relay {
  const pool = new BufferPool({ smallBytes: 8 * 1024, largeBytes: 256 * 1024, maxKept: 64 });
  return {
    kind: 'pooled',
    dial: (target) => {
      const down = new PooledReader(pool);
      const upstream = connect({ ...target, allowHalfOpen: true, noDelay: true, onread: down.onread });
      upstream.on('error', () => {});
      // Nothing may be read before there is a socket to write it to.
      upstream.pause();
      return {
        socket: upstream,
        run: (accepted, first, idleTimeoutMs) => {
          const up = new PooledReader(pool);
          const moved = moveHandle(accepted, up);
          const client = moved?.socket ?? accepted;
          if (moved) up.connect(client, upstream);
          down.connect(upstream, client);
          const all = moved ? Buffer.concat([first, moved.read]) : first;
          return splice(client, upstream, all, idleTimeoutMs, moved ? 'pooled' : 'pipe-up');
        },
      };
    },
  };
}

/** The fast relay where it passes a test over loopback on this Node, else pipes. */
export async function chooseRelay(): Promise<Relay> {
  const fast = createPooledRelay();
  return (await worksOverLoopback(fast)) ? fast : pipeRelay;
}

/**
 * Echoes a known text through `relay`, with an end in each direction. False when anything differs,
 * throws or takes too long.
 */
async function worksOverLoopback(relay: Relay): Promise<boolean> {
  const echo = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  const front = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    const upstream = relay.dial({ host: '127.0.0.1', port: portOf(echo) });
    upstream.socket.once(
      'connect',
      () => void upstream.run(socket, Buffer.from('first,'), 2000).catch(() => socket.destroy()),
    );
  });
  try {
    const signal = AbortSignal.timeout(2000);
    for (const server of [echo, front]) await once(server.listen(0, '127.0.0.1'), 'listening', { signal });
    const client = connect(portOf(front), '127.0.0.1');
    client.on('error', () => {});
    let text = '';
    client.on('data', (part: Buffer) => {
      text += part.toString('latin1');
    });
    const body = 'x'.repeat(100_000);
    client.end(body);
    await once(client, 'end', { signal });
    client.destroy();
    return text === `first,${body}`;
  } catch {
    return false;
  } finally {
    front.close();
    echo.close();
  }
}

function portOf(server: ReturnType<typeof createServer>): number {
  const address = server.address() as AddressInfo;
  return address.port;
}
