import type { Server } from 'node:net';

/** Where a server listens; port 0 lets the system choose. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export type ListenFailure = 'port-in-use' | 'listen-failed';

/**
 * Listens on a TCP address. When it cannot, rejects with what `refusal` makes of the code, a
 * sentence that names the address and the purpose, and the system's error: each room speaks with
 * errors of its own. Once it listens, a failure to accept (no file descriptors left, for one) goes
 * to `onAcceptError`; without a listener it would end the process.
 */
export async function listenOn(options: {
  readonly server: Server;
  readonly address: ListenAddress;
  /** What for, as the sentence goes on: `the bundle endpoint`. */
  readonly purpose: string;
  readonly refusal: (code: ListenFailure, message: string, options: ErrorOptions) => Error;
  readonly onAcceptError: (error: Error) => void;
}): Promise<void> {
  const { server, purpose, refusal, onAcceptError } = options;
  const { host, port } = options.address;
  await new Promise<void>((resolve, reject) => {
    const onError = (cause: NodeJS.ErrnoException) => {
      const inUse = cause.code === 'EADDRINUSE';
      const why = inUse ? 'another process listens there' : cause.message;
      const message = `listening on ${host}:${port} for ${purpose} failed: ${why}`;
      reject(refusal(inUse ? 'port-in-use' : 'listen-failed', message, { cause }));
    };
    server.once('error', onError);
    server.listen(port, host, () => {
      server.off('error', onError);
      server.on('error', onAcceptError);
      resolve();
    });
  });
}
