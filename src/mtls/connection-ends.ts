import type { Socket } from 'node:net';

/** The key of an open connection, the same for the TCP socket and for the TLS socket over it. */
export function endsOf({ remoteAddress, remotePort, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localPort}`;
}
