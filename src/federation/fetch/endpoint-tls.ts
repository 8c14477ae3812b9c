import { isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { createHash } from 'node:crypto';
import { connectMtls, type PeerVerifier, sentChain } from '../../mtls/index.ts';
import { CodedError, type EndpointProfile, type SpiffeId } from '../../spiffe/index.ts';
import type { AddressKind } from './address-kind.ts';
import { connectUnproved } from './connect-unproved.ts';
import { FetchError } from './errors.ts';
import { hostOf, openTcp, type OpenTcpRequest } from './open-tcp.ts';
import { settleSocket } from './settle-socket.ts';
import { webPkiContext } from './web-pki-context.ts';
import { webRefusal } from './web-refusal.ts';

/** How the endpoint proves its identity. */
export interface EndpointTrust {
  readonly profile: EndpointProfile;
  /** Judges the endpoint's X509-SVID for `https_spiffe`. */
  readonly verifier: PeerVerifier;
  /** For `https_web`: the only CAs that count, PEM; without it, those that Node trusts. */
  readonly webPkiCaPem?: string | undefined;
}

/** A connection whose peer has been verified and over which nothing has been sent yet. */
export interface VerifiedEndpoint {
  readonly socket: TLSSocket;
  /**
   * SHA-256 of the certificates that proved it, 64 lower-case hex digits; absent where only what it
   * brings has to be proved.
   */
  readonly leafFingerprint?: string;
  readonly rootFingerprint?: string;
  /** What kind of address it is at, by which the targets of its redirects are judged. */
  readonly at: AddressKind;
}

/** A connection that was proved, apart from where it leads. */
type ProvedEndpoint = Required<Omit<VerifiedEndpoint, 'at'>>;

/** The options for opening a connection. */
export interface OpenEndpointRequest extends OpenTcpRequest {
  readonly trust: EndpointTrust;
}

/**
 * Opens a new TLS connection to the host of `url` and verifies the peer before any byte of HTTP.
 * Only the profile counts, and there is no fallback to another (FED-07). We show no certificate
 * (FED-40), and resume no session (FED-42). Throws `FetchError` `connect-failed`,
 * `connect-timeout`, `redirect-refused`, `tls-failed`, `tls-timeout`, `web-certificate-refused`,
 * `svid-refused`, `endpoint-id-mismatch`, those of a proxy, or the signal's reason.
 */
export async function openEndpoint(request: OpenEndpointRequest): Promise<VerifiedEndpoint> {
  const { socket: tcp, at } = await openTcp(request);
  try {
    const { profile } = request.trust;
    // What it brings is signed by the trust domain itself: all it can do is to bring nothing, until
    // the signed end of the last one.
    if (profile.kind === 'signed_bundle') return { socket: await connectUnproved(tcp, request), at };
    const proved =
      profile.kind === 'https_web'
        ? await overWebPki(tcp, request)
        : await overSpiffe(tcp, request, profile.endpointId);
    return { ...proved, at };
  } catch (error) {
    tcp.destroy();
    throw error;
  }
}

/**
 * Verifies a server certificate by Web PKI: chain, dates and host name. Node must not close the
 * connection itself. After that the certificate cannot be read, and a refusal could not say what is
 * wrong with it. This costs no safety. Node still judges (`authorized`), and the socket is closed
 * before other code has it. No byte of HTTP was written, no session is offered, and the context
 * holds no certificate of ours.
 */
function overWebPki(
  tcp: Socket,
  { url, trust, limits, timer }: OpenEndpointRequest,
): Promise<ProvedEndpoint> {
  const host = hostOf(url);
  const late = () =>
    new FetchError('tls-timeout', `no TLS handshake with ${url.host} within ${limits.tlsMs} ms`);
  return timer.within(limits.tlsMs, late, async () => {
    const socket = connectTls({
      socket: tcp,
      host, // what the certificate has to name (FED-26)
      ...(isIP(host) ? {} : { servername: host }),
      secureContext: webPkiContext(trust.webPkiCaPem),
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
    });
    const { webPkiCaPem: caPem } = trust;
    const failed = (cause: Error) => webRefusal(url, cause, { shown: [], caPem });
    await settleSocket(socket, 'secureConnect', timer.signal, failed);
    if (!socket.authorized) {
      const code = String(socket.authorizationError);
      const cause = Object.assign(new Error(`${url.hostname}: ${code}`), { code });
      throw webRefusal(url, cause, { shown: sentChain(socket).certificates, caPem });
    }
    if (socket.isSessionReused())
      throw new FetchError(
        'web-certificate-refused',
        `${url.host} showed no certificate that could be verified`,
      );
    return { socket, ...provenBy(socket) };
  });
}

/**
 * The ends of the chain that Web PKI verified, the root included although the endpoint did not send
 * it. For the record only.
 */
function provenBy(socket: TLSSocket): { leafFingerprint: string; rootFingerprint: string } {
  const leaf = socket.getPeerCertificate(true);
  let root = leaf;
  for (let depth = 0; depth < 10 && root.issuerCertificate && root.issuerCertificate !== root; depth += 1)
    root = root.issuerCertificate;
  return { leafFingerprint: sha256(leaf.raw), rootFingerprint: sha256(root.raw) };
}

async function overSpiffe(
  tcp: Socket,
  { url, trust, limits, timer }: OpenEndpointRequest,
  endpointId: SpiffeId,
): Promise<ProvedEndpoint> {
  const host = hostOf(url);
  const late = () =>
    new FetchError('tls-timeout', `no TLS handshake with ${url.host} within ${limits.tlsMs} ms`);
  return timer.within(limits.tlsMs, late, async () => {
    try {
      const { socket, peer } = await connectMtls({
        socket: tcp,
        host,
        port: Number(url.port || 443),
        // The name is for endpoints that share an address. It does not identify the peer (FED-28).
        ...(isIP(host) ? {} : { serverName: host }),
        verifier: trust.verifier,
        authorize: ({ id }) => {
          if (id === endpointId) return;
          throw new FetchError(
            'endpoint-id-mismatch',
            `${url.host} is ${id}, and the relationship names ${endpointId}`,
          );
        },
        timeoutMs: limits.tlsMs,
        signal: timer.signal,
      });
      // The request is the first listener for a broken connection. Until it is sent there is no
      // other.
      socket.on('error', () => {});
      return { socket, leafFingerprint: peer.leafFingerprint, rootFingerprint: peer.anchorFingerprint };
    } catch (error) {
      throw spiffeRefusal(url, endpointId, error);
    }
  });
}

function spiffeRefusal(url: URL, endpointId: SpiffeId, error: unknown): unknown {
  if (error instanceof FetchError || !(error instanceof Error)) return error;
  const cause = { cause: error };
  const code = error instanceof CodedError ? error.code : 'handshake-failed';
  if (code === 'handshake-timeout')
    return new FetchError('tls-timeout', `no TLS handshake with ${url.host} in time`, cause);
  if (code === 'handshake-failed' || code === 'connect-failed')
    return new FetchError('tls-failed', `the TLS handshake with ${url.host} failed: ${error.message}`, cause);
  const hint =
    code === 'uri-san-count' ? '; an endpoint with a certificate of Web PKI needs the profile https_web' : '';
  return new FetchError(
    'svid-refused',
    `${url.host} showed no X509-SVID that proves ${endpointId}: ${error.message}${hint}`,
    cause,
  );
}

function sha256(der: Uint8Array): string {
  return createHash('sha256').update(der).digest('hex');
}
