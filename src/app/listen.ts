import type { Server } from 'node:net';
import { CodedError } from '../spiffe/index.ts';
import type { ListenAddress } from './config/fields.ts';

/** A server that could not take its address. */
export class ListenError extends CodedError<'port-in-use' | 'listen-failed'> {}

/** Listens, or throws `ListenError` (`port-in-use`, `listen-failed`) that names the address and what it was for. */
export async function listen(server: Server, { host, port }: ListenAddress, purpose: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const inUse = cause.code === 'EADDRINUSE';
      const why = inUse ? 'another process listens there' : cause.message;
      reject(
        new ListenError(
          inUse ? 'port-in-use' : 'listen-failed',
          `listening on ${host}:${port} for ${purpose} failed: ${why}`,
          { cause },
        ),
      );
    });
    server.listen(port, host, resolve);
  });
}
