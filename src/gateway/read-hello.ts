import type { Socket } from 'node:net';
import { ClientHelloReader, type ClientHelloRefusal } from './client-hello.ts';

/**
 * The server name a client asks for, and the bytes it sent so far, all of which belong to the
 * upstream.
 */
export type ReceivedHello =
  | { readonly kind: 'hello'; readonly serverName: string | undefined; readonly bytes: Buffer }
  | { readonly kind: 'refused'; readonly code: ClientHelloRefusal | 'hello-timeout' | 'closed-early' };

/**
 * Waits for the whole ClientHello, at most `timeoutMs`, within the limits of `ClientHelloReader`;
 * leaves the socket paused.
 */
export function receiveHello(socket: Socket, timeoutMs: number): Promise<ReceivedHello> {
  return new Promise((resolve) => {
    const reader = new ClientHelloReader();
    const parts: Buffer[] = [];
    const settle = (result: ReceivedHello) => {
      clearTimeout(timer);
      socket.pause();
      socket.off('data', onData);
      socket.off('end', onEnd);
      socket.off('close', onEnd);
      resolve(result);
    };
    const timer = setTimeout(() => settle({ kind: 'refused', code: 'hello-timeout' }), timeoutMs);
    const onEnd = () => settle({ kind: 'refused', code: 'closed-early' });
    const onData = (part: Buffer) => {
      parts.push(part);
      const read = reader.push(part);
      if (read.kind === 'hello') settle({ ...read, bytes: Buffer.concat(parts) });
      else if (read.kind === 'refused') settle(read);
    };
    socket.on('data', onData);
    socket.on('end', onEnd);
    socket.on('close', onEnd);
    socket.resume();
  });
}
