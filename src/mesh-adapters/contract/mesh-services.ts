import type { TrustDomain } from '../../spiffe/index.ts';
import type {
  AccessPolicy,
  ImportedService,
  OwnService,
  Placement,
  ServiceId,
} from '../../services/index.ts';
import type { PropagationState } from './propagation-state.ts';

/** A service of ours that is exported, and to whom. */
export interface WantedExport {
  readonly service: OwnService;
  readonly consumers: readonly TrustDomain[];
}

/** A policy of one of our services, and where its workloads are. */
export interface WantedAccess {
  readonly policy: AccessPolicy;
  readonly placement: Placement;
}

/** How far the mesh came with one import, export or policy. */
export interface ServiceReport {
  readonly subject: 'import' | 'export' | 'access';
  readonly service: ServiceId;
  /** The owner of an import; absent for our own services. */
  readonly trustDomain?: TrustDomain;
  readonly state: PropagationState;
  /** The reason for state `refused` or `failed`. In any other state a note for the operator. */
  readonly code?: string;
  readonly message?: string;
  /**
   * Of an import: the SNI that the mesh sends for each port, by name, where it computes one and
   * cannot send the owner's. The owner's gateway has to route it too.
   */
  readonly wantedSni?: Readonly<Record<string, string>>;
  readonly at: Date;
}

/**
 * The half of a mesh adapter that is about services. Every `apply…` makes the mesh hold exactly
 * what is wanted, and a second call changes nothing. Objects with our mark that are not wanted go.
 * Objects of others stay byte for byte. A refusal of one entry does not stop the others. All reject
 * with `MeshAdapterError` where the mesh cannot be read or written at all.
 */
export interface MeshServices {
  /** The services of the mesh that could be exported; `obstacle` tells why one cannot. */
  readServices(signal: AbortSignal): Promise<readonly OwnService[]>;
  applyExports(wanted: readonly WantedExport[], signal: AbortSignal): Promise<readonly ServiceReport[]>;
  applyImports(wanted: readonly ImportedService[], signal: AbortSignal): Promise<readonly ServiceReport[]>;
  applyAccess(wanted: readonly WantedAccess[], signal: AbortSignal): Promise<readonly ServiceReport[]>;
}
