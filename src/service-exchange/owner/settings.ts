import type {
  AccessRule,
  CatalogueGateway,
  EndpointAddress,
  OwnPort,
  OwnService,
  ServiceId,
} from '../../services/index.ts';
import type { SpiffeId, TrustDomain } from '../../spiffe/index.ts';

/** How we export, from the config. */
export interface OwnerSettings {
  /** Our gateways, as peers reach them. */
  readonly gateways: readonly CatalogueGateway[];
  /** Where imports lead to, instead of straight to the peer's gateway. */
  readonly egressGateway?: EndpointAddress;
  /** End of our SNIs; left out: our trust domain. */
  readonly sniSuffix?: string;
  /** IDs of the networks in which a peer reaches our workloads by their addresses. */
  readonly networksWith: (peer: TrustDomain) => readonly string[];
  readonly catalogueLifetimeMs: number;
  readonly drainMs: number;
  /** Seconds after which peers should ask again. */
  readonly refreshHint: number;
}

/** A service that the operator describes. */
export interface DeclaredService {
  readonly id: ServiceId;
  readonly ports: readonly OwnPort[];
  readonly spiffeIds: readonly SpiffeId[];
  readonly namespace?: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** What the config file declares. */
export interface DeclaredExports {
  readonly services: readonly DeclaredService[];
  readonly exports: readonly { readonly service: ServiceId; readonly to: readonly TrustDomain[] }[];
  readonly access: readonly { readonly service: ServiceId; readonly rules: readonly AccessRule[] }[];
}

/** The actor of exports that the configuration of the mesh declares. */
export const MESH_ACTOR = 'mesh';

/** A described service as one of ours. */
export function ownServiceOf(declared: DeclaredService): OwnService {
  return { ...declared, origin: 'operator' };
}
