import type { Svid } from '../mtls/index.ts';
import type { TrustBundle } from '../spiffe/index.ts';

/** One of the SVIDs that a Workload API offers its caller. */
export interface OfferedSvid {
  readonly svid: Svid;
  /** Its hint, which identifies it to operators; empty where there is none. */
  readonly hint: string;
  /** The roots of its own trust domain. */
  readonly bundle: TrustBundle;
}
