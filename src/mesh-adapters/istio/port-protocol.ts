import type { Protocol } from '../../services/index.ts';

export interface PortProtocol {
  readonly protocol: Protocol;
  readonly serverFirst: boolean;
}

/** By `appProtocol` and by the first word of a port's name, as Istio reads both. */
const PROTOCOLS: Readonly<Record<string, Protocol>> = {
  http: 'http',
  http2: 'http2',
  h2c: 'http2',
  'kubernetes.io/h2c': 'http2',
  'kubernetes.io/ws': 'http',
  grpc: 'grpc',
  'grpc-web': 'http',
  tcp: 'tcp',
  // The application speaks TLS itself, inside the mTLS of the mesh.
  https: 'tcp',
  tls: 'tcp',
  'kubernetes.io/wss': 'tcp',
  mongo: 'tcp',
  mysql: 'tcp',
  redis: 'tcp',
};
/** Ports of protocols in which the server speaks first: FTP, SSH, SMTP, POP3, IMAP, MySQL. */
const SERVER_FIRST_PORTS = new Set([21, 22, 25, 110, 143, 587, 3306]);

/**
 * The protocol that a port declares; undefined where it declares none, or one that Istio does not
 * know: then Istio guesses, and rules about HTTP would not hold.
 */
export function protocolOf(
  name: string,
  appProtocol: string,
  workloadPort: number,
): PortProtocol | undefined {
  const declared = appProtocol !== '' ? appProtocol.toLowerCase() : firstWordOf(name.toLowerCase());
  const protocol = PROTOCOLS[declared];
  if (protocol === undefined) return undefined;
  const isOpen = protocol === 'tcp' && declared !== 'https' && declared !== 'tls';
  const serverFirst = isOpen && (declared === 'mysql' || SERVER_FIRST_PORTS.has(workloadPort));
  return { protocol, serverFirst };
}

/** `grpc-web` is the one protocol of two words. */
function firstWordOf(name: string): string {
  return name === 'grpc-web' || name.startsWith('grpc-web-') ? 'grpc-web' : (name.split('-', 1)[0] ?? '');
}
