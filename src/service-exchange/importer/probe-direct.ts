import { connectMtls, MtlsError, type PeerVerifier, type SvidSource } from '../../mtls/index.ts';
import type { DirectTarget } from './direct-paths.ts';

const TIMEOUT_MS = 5000;

/**
 * Proves by a whole mTLS handshake, with the SNI of the owner, that one of the expected identities is
 * at a place. Rejects as `connectMtls`, and with `MtlsError` `peer-not-authorized`.
 */
export async function probeDirect(
  { host, port, sni, spiffeIds }: DirectTarget,
  { verifier, svid }: { readonly verifier: PeerVerifier; readonly svid: SvidSource | undefined },
  signal: AbortSignal,
): Promise<void> {
  const { socket } = await connectMtls({
    host,
    port,
    serverName: sni,
    ...(svid ? { svid } : {}),
    verifier,
    authorize: ({ id }) => {
      if (spiffeIds.includes(id)) return;
      throw new MtlsError(
        'peer-not-authorized',
        `${id} is at ${host}:${port}, and not ${spiffeIds.join(' or ')}`,
      );
    },
    signal,
    timeoutMs: TIMEOUT_MS,
  });
  socket.destroy();
}
