import type { RootPhase } from './ca-folder.ts';
import type { RotationPhase } from './certificate-authority.ts';

/** One of the mesh's own roots, as the control socket reports it. */
export interface RootStatus {
  readonly number: number;
  readonly phase: RootPhase;
  readonly fingerprint: string;
  readonly keyFingerprint: string;
  readonly subject: string;
  /** Instants are ISO 8601 text. */
  readonly notBefore: string;
  readonly notAfter: string;
}

/** A workload with its SVID and the state of its proxies. */
export interface WorkloadStatus {
  readonly name: string;
  readonly spiffeId: string;
  readonly sdsSocket: string;
  /** Absent until the first SVID is issued. */
  readonly svid?: {
    readonly fingerprint: string;
    readonly notAfter: string;
    /** Which of the mesh's roots it chains to. */
    readonly rootNumber: number;
    /** Counts from 1; grows by one with every renewal since this process started. */
    readonly generation: number;
  };
  /** What the proxies on the socket acknowledged, by secret name. */
  readonly sds: readonly SecretStatus[];
}

/** How far one SDS secret has reached the proxies that subscribed to it. */
export interface SecretStatus {
  readonly secret: string;
  /** The current version. */
  readonly currentVersion: string;
  /**
   * Streams that subscribed to the secret, and the last version that each acknowledged; absent
   * before its first ACK.
   */
  readonly proxies: readonly { readonly acknowledged?: string; readonly refused?: string }[];
  /** Whether every subscribed proxy runs with the current version. */
  readonly inEffect: boolean;
}

/** Foreign roots that the control plane hands to its proxies, for one trust domain. */
export interface ForeignStatus {
  readonly trustDomain: string;
  /** SHA-256 of each certificate; that of a narrowed anchor differs from that of its root. */
  readonly fingerprints: readonly string[];
  /** Where it came from: `caCertificates[0]`, or a peering's name. */
  readonly source: string;
}

/** Answer of `GET /status` on the control socket of a simulated mesh. */
export interface ControlStatus {
  readonly kind: 'istio' | 'consul';
  readonly trustDomain: string;
  readonly phase: RotationPhase;
  readonly roots: readonly RootStatus[];
  readonly workloads: readonly WorkloadStatus[];
  readonly foreign: readonly ForeignStatus[];
  /** Why the newest trust config is not in effect (the older one stays). */
  readonly refused?: { readonly code: string; readonly message: string };
}

/**
 * Answer of `POST /forge`: an identity this mesh's CA signed although it is not the mesh's to give.
 */
export interface ForgedIdentity {
  readonly spiffeId: string;
  /** Leaf first, then intermediates. */
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
  readonly notAfter: string;
}

/** The steps of a root rotation, in their order. */
export const ROTATION_STEPS = ['publish', 'activate', 'retire'] as const;
export type RotationStep = (typeof ROTATION_STEPS)[number];
