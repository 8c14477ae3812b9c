import { type SpiffeId, type TrustBundle, verifyX509Svid, X509SvidError } from '../../spiffe/index.ts';

/** The agent's own SVID, as far as peers see it. */
export interface OwnSvid {
  readonly id: SpiffeId;
  /** DER, leaf first, then intermediates. */
  readonly certificateChain: readonly Uint8Array[];
}

/** Whether a peer that holds `bundle` accepts our own SVID now. Pure. */
export function verifiesWith({ certificateChain }: OwnSvid, bundle: TrustBundle, now: Date): boolean {
  try {
    verifyX509Svid(certificateChain, { bundleFor: () => bundle }, { now, peerRole: 'server' });
    return true;
  } catch (error) {
    if (error instanceof X509SvidError) return false;
    throw error;
  }
}
