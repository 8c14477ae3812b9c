import { isIP, type Socket } from 'node:net';
import { connect as connectTls, type SecureContextOptions, type TLSSocket } from 'node:tls';
import { FetchError } from './errors.ts';
import type { FetchLimits } from './fetch-limits.ts';
import type { FetchTimer } from './fetch-timer.ts';
import { hostOf, openTcp, type OpenTcpRequest } from './open-tcp.ts';
import { settleSocket } from './settle-socket.ts';

/** Connects to the host of `url` by TCP, and then as `connectUnproved`. Rejects as both. */
export async function openUnproved(
  request: OpenTcpRequest & { readonly tls?: SecureContextOptions },
): Promise<TLSSocket> {
  const { socket } = await openTcp(request);
  return connectUnproved(socket, request);
}

/**
 * Opens TLS to a server without authenticating it. For content that proves itself, by a signature
 * over the content or over this very connection. Rejects with `FetchError` `tls-timeout`,
 * `tls-failed`, or the signal's reason.
 */
export function connectUnproved(
  tcp: Socket,
  options: {
    readonly url: URL;
    readonly limits: FetchLimits;
    readonly timer: FetchTimer;
    readonly tls?: SecureContextOptions;
  },
): Promise<TLSSocket> {
  const { url, limits, timer, tls } = options;
  const host = hostOf(url);
  const late = () =>
    new FetchError('tls-timeout', `no TLS handshake with ${url.host} within ${limits.tlsMs} ms`);
  return timer.within(limits.tlsMs, late, async () => {
    const socket = connectTls({
      ...tls,
      socket: tcp,
      ...(isIP(host) ? {} : { servername: host }),
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      ALPNProtocols: ['http/1.1'],
    });
    await settleSocket(
      socket,
      'secureConnect',
      timer.signal,
      (cause) =>
        new FetchError('tls-failed', `the TLS handshake with ${url.host} failed: ${cause.message}`, {
          cause,
        }),
    );
    return socket;
  });
}
