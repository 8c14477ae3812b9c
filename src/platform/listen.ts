import { createServer, type Server } from 'node:net';

/** Where a server listens; port 0 lets the system choose. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export type ListenFailure = 'port-in-use' | 'listen-failed';

/**
 * Listens on a TCP address. On failure it rejects with the result of `refusal`, because each room
 * has its own errors. `refusal` gets the code, a sentence that names the address and the purpose,
 * and the system's error. Later failures to accept (no file descriptors left, for one) go to
 * `onAcceptError`; without that listener they would end the process.
 */
export async function listenOn(options: {
  readonly server: Server;
  readonly address: ListenAddress;
  /** The purpose, as the end of a sentence: `the bundle endpoint`. */
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

/** Whether this process could listen on a TCP address at this moment. */
export async function canListen({ host, port }: ListenAddress): Promise<boolean> {
  const server = createServer();
  return await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
