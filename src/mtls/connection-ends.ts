import type { Socket } from 'node:net';

/**
 * What tells one open connection from all others, on the TCP socket and on the TLS socket over it
 * alike.
 */
export function endsOf({ remoteAddress, remotePort, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localPort}`;
}
