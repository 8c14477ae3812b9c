import type { Authorize, Svid, SvidSource } from '../../mtls/index.ts';
import type { Clock } from '../../platform/index.ts';
import type { BundleSource } from '../../spiffe/index.ts';

/** How a connection is proved, the same for every helper and in both roles. */
export interface MtlsOptions {
  /** Our SVID to present: a source that renews it, or one that stays. */
  readonly svid: SvidSource | Svid;
  /**
   * Bundles that prove peers, each peer by the bundle of its own trust domain. Where the source
   * reports changes (`onChange`), open connections are judged again after each of them.
   */
  readonly bundles: BundleSource;
  /** Decides which proved peers are admitted. Called before the first application byte. */
  readonly authorize: Authorize;
  /** Refuses SVIDs whose key usage is missing or not critical. Default false. */
  readonly strictKeyUsage?: boolean;
  /** Default: the system's. For tests. */
  readonly clock?: Clock;
}

/** The options of a client. */
export interface MtlsClientOptions extends Omit<MtlsOptions, 'svid'> {
  /** Our SVID to present. Left out: no certificate, for servers that do not require one. */
  readonly svid?: SvidSource | Svid;
  /** For TCP and the handshake together, in milliseconds. Default 10 000. */
  readonly timeoutMs?: number;
}

/** A source of an SVID that may stay the same for ever. */
export function svidSourceOf(svid: SvidSource | Svid): SvidSource {
  return 'current' in svid ? svid : { current: () => svid, onChange: () => () => {} };
}
