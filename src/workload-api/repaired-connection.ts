import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { createAuthorityRepair } from './authority-repair.ts';
import { takesNoStreams } from './first-flight.ts';

/**
 * Passes the connection to `use` once its client has sent bytes: directly, or through
 * `createAuthorityRepair` for clients that may need it. Because Node reads a socket without a
 * detour much faster, other clients do not pass through it.
 */
export function withFirstFlight(socket: Socket, use: (connection: Duplex) => void): void {
  let heard: Buffer = Buffer.alloc(0);
  const listen = (chunk: Buffer) => {
    heard = heard.length > 0 ? Buffer.concat([heard, chunk]) : chunk;
    const repair = takesNoStreams(heard);
    if (repair === undefined) return;
    socket.off('data', listen);
    socket.off('error', ignore);
    socket.pause();
    socket.unshift(heard);
    use(repair ? repairedConnection(socket) : socket);
  };
  // A connection that breaks before its first byte needs no handling; `close` follows.
  const ignore = () => undefined;
  socket.on('error', ignore);
  socket.on('data', listen);
}

function repairedConnection(socket: Socket): Duplex {
  const repair = createAuthorityRepair();
  const connection = new Duplex({
    read: () => socket.resume(),
    write: (chunk: Buffer, _encoding, done) => socket.write(chunk, done),
    writev: (chunks: readonly { readonly chunk: Buffer }[], done) =>
      socket.write(Buffer.concat(chunks.map(({ chunk }) => chunk)), done),
    final: (done) => socket.end(done),
    destroy: (error, done) => {
      socket.destroy();
      done(error);
    },
  });
  socket.on('data', (chunk: Buffer) => {
    const bytes = repair(chunk);
    if (bytes.length > 0 && !connection.push(bytes)) socket.pause();
  });
  socket.on('end', () => connection.push(null));
  socket.on('error', (error) => connection.destroy(error));
  socket.on('close', () => connection.destroy());
  return connection;
}
