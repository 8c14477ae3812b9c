import type { Socket } from 'node:net';
import type { FetchError } from './errors.ts';

/**
 * Resolves with `socket` at `event`; else destroys it and rejects with the signal's reason or the
 * refusal.
 */
export function settleSocket<S extends Socket>(
  socket: S,
  event: 'connect' | 'secureConnect',
  signal: AbortSignal,
  refusal: (cause: Error) => FetchError,
): Promise<S> {
  return new Promise((resolve, reject) => {
    const done = () => {
      signal.removeEventListener('abort', onAbort);
      socket.off(event, onReady);
      socket.off('close', onClose);
    };
    const onReady = () => {
      done();
      resolve(socket);
    };
    const onError = (cause: Error) => {
      done();
      socket.destroy();
      reject(refusal(cause));
    };
    const onClose = () => onError(new Error('the other side closed the connection'));
    const onAbort = () => {
      done();
      socket.destroy();
      reject(signal.reason);
    };
    if (signal.aborted) {
      socket.destroy();
      reject(signal.reason);
      return;
    }
    socket.once(event, onReady);
    // This listener stays. The later user of the socket reports a reset, which must not end the
    // process.
    socket.on('error', onError);
    socket.once('close', onClose);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
