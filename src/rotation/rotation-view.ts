import type { TrustDomain, X509Authority } from '../spiffe/index.ts';
import type { RootLife } from '../store/index.ts';
import type { PeerHolding, PlainPoller } from '../federation/index.ts';

/** A version of our own bundle as it was published. */
export interface OwnVersion {
  /** `contentDigest`. */
  readonly digest: string;
  readonly sequence?: bigint;
  readonly publishedAt: Date;
  /** Fingerprints of its roots. */
  readonly roots: ReadonlySet<string>;
  /** The entity tag of our bundle as it is served. */
  readonly tag: string;
}

/** A root of our own bundle, and its life. */
export interface OwnRoot {
  readonly authority: X509Authority;
  readonly life: RootLife;
}

/** A peer that we have a relationship with, and what is known about its holdings. */
export interface RotationPeer {
  readonly trustDomain: TrustDomain;
  /** What it proved itself. */
  readonly holding?: PeerHolding;
  /** The poller at the address of its endpoint, where it proved nothing. */
  readonly poller?: PlainPoller;
}

/** How long things take; milliseconds. */
export interface RotationTimes {
  /** The refresh hint that we publish. */
  readonly hintMs: number;
  /**
   * How long after its publication a root counts as received by peers and pollers that do not
   * report what they hold.
   */
  readonly leadMs: number;
  /** How long after a root has stopped signing its identities may still be in use. */
  readonly leafLifetimeMs: number;
  /**
   * How long a mesh that reports "written" takes until its proxies have it. The same holds after a
   * fetch without a report.
   */
  readonly settleMs: number;
}

/** Everything that a rotation is judged by. */
export interface RotationView {
  readonly now: Date;
  readonly times: RotationTimes;
  /** The roots of the bundle that is published now. */
  readonly roots: readonly OwnRoot[];
  /** Whether it is known what signs. */
  readonly signingKnown: boolean;
  /** Newest first; how far back is bounded. */
  readonly versions: readonly OwnVersion[];
  readonly peers: readonly RotationPeer[];
  /** The other pollers. */
  readonly pollers: readonly PlainPoller[];
  /** When one of them was forgotten last, because there were too many to remember. */
  readonly forgotAt?: Date | undefined;
}
