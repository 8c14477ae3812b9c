import type { Socket } from 'node:net';
import { type ClientHelloRefusal, MAX_CLIENT_HELLO_BYTES, readClientHello } from './client-hello.ts';

/** The name a client asks for and the bytes it sent so far, all of which belong to the upstream. */
export type ReceivedHello =
  | { readonly kind: 'hello'; readonly serverName: string | undefined; readonly bytes: Buffer }
  | { readonly kind: 'refused'; readonly code: ClientHelloRefusal | 'hello-timeout' | 'closed-early' };

/** Waits for the whole ClientHello, at most `timeoutMs` and `MAX_CLIENT_HELLO_BYTES`; leaves the socket paused. */
export function receiveHello(socket: Socket, timeoutMs: number): Promise<ReceivedHello> {
  return new Promise((resolve) => {
    let bytes: Buffer = Buffer.alloc(0);
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
      bytes = bytes.length === 0 ? part : Buffer.concat([bytes, part]);
      const read = readClientHello(bytes);
      if (read.kind === 'hello') settle({ ...read, bytes });
      else if (read.kind === 'refused') settle(read);
      // Records have headers of their own, hence the room beyond the message.
      else if (bytes.length > 2 * MAX_CLIENT_HELLO_BYTES)
        settle({ kind: 'refused', code: 'hello-too-large' });
    };
    socket.on('data', onData);
    socket.on('end', onEnd);
    socket.on('close', onEnd);
    socket.resume();
  });
}
