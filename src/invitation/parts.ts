import type { SvidSource } from '../mtls/index.ts';
import type { BundleSource, EndpointProfile, TrustBundle } from '../spiffe/index.ts';
import type { Store } from '../store/index.ts';
import type { Peers, Reach, Relationships } from '../federation/index.ts';

/** As much of the federation as invitations need. */
export interface FederationParts {
  readonly bundles: BundleSource;
  readonly peers: Pick<Peers, 'find'>;
  readonly relationships: Pick<Relationships, 'add' | 'check' | 'change' | 'vouchingRoots'>;
}

/** What invitations need from their surroundings, on both sides. */
export interface InvitationParts extends Reach {
  readonly store: Store;
  readonly federation: FederationParts;
  /** Our own bundle as it is served; undefined until the mesh has reported it. */
  readonly own: () => TrustBundle | undefined;
  /** What we sign with; undefined where the config names none. */
  readonly svid: SvidSource | undefined;
  /** Our own endpoint as peers reach it. */
  readonly endpoint: {
    readonly url: URL;
    readonly profile: EndpointProfile['kind'];
    /** The CA of its certificate, where that is not of the public Web PKI, PEM. */
    readonly webPkiCaPem?: string;
  };
}
