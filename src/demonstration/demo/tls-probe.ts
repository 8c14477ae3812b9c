import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { certificatesFromPem, parseCertificate } from '../../spiffe/index.ts';

interface Probe {
  readonly port: number;
  readonly serverName: string;
  readonly identity?: ProbeIdentity;
  readonly timeoutMs?: number;
}

/** A certificate and key to show as a client, PEM. */
export interface ProbeIdentity {
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
}

/** What a plain TLS client saw. The client is not ours: it checks nothing and only observes. */
export interface ProbeResult {
  /** SHA-256 of the certificate that the other side showed. */
  readonly serverFingerprint: string | undefined;
  readonly protocol: string | null;
  /** The first line of the HTTP answer, or undefined when the other side closed without a byte. */
  readonly firstLine: string | undefined;
}

/**
 * Opens TLS to a gateway for `serverName`, sends a request in HTTP, for `/remarks` by default, and
 * returns what arrived. Bounded by `timeoutMs`.
 */
export async function probeTls(
  options: Probe & { readonly method?: string; readonly path?: string },
): Promise<ProbeResult> {
  const { method = 'GET', path = '/remarks' } = options;
  const socket = await openTls(options);
  const serverFingerprint = fingerprintOf(socket);
  const protocol = socket.getProtocol();
  let text = '';
  socket.on('data', (part: Buffer) => {
    text += part.toString('latin1');
    if (text.includes('\r\n')) socket.destroy();
  });
  // A refusal may arrive as a reset or as an alert. Either way no byte arrives, and that is the
  // result.
  socket.on('error', () => {});
  socket.write(`${method} ${path} HTTP/1.1\r\nhost: info\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  await once(socket, 'close');
  return { serverFingerprint, protocol, firstLine: text === '' ? undefined : text.split('\r\n')[0] };
}

/** An open TLS connection through a gateway, before the first byte. */
export async function openTls(options: Probe): Promise<TLSSocket> {
  const socket = connect({
    host: '127.0.0.1',
    port: options.port,
    servername: options.serverName,
    // Only reads the presented certificate; the demonstration leaves the decision about trust to
    // the real parts.
    rejectUnauthorized: false,
    ...(options.identity
      ? { cert: options.identity.certificateChainPem, key: options.identity.privateKeyPem }
      : {}),
  });
  socket.setTimeout(options.timeoutMs ?? 5000, () => socket.destroy(new Error('no answer in time')));
  await once(socket, 'secureConnect');
  return socket;
}

function fingerprintOf(socket: TLSSocket): string | undefined {
  const der = socket.getPeerX509Certificate()?.raw;
  return der && parseCertificate(der).fingerprint;
}

/** SHA-256 of the first certificate of a PEM chain. */
export function leafFingerprint(pem: string): string | undefined {
  const leaf = certificatesFromPem(pem)[0];
  return leaf && parseCertificate(leaf).fingerprint;
}
