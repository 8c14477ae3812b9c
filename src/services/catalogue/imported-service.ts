import type { SpiffeId, TrustDomain } from '../../spiffe/index.ts';
import type { EndpointAddress } from '../service/endpoint-address.ts';
import type { ServiceId, ServicePort } from '../service/service.ts';

export interface ImportedEndpoint extends EndpointAddress {
  /** 0 is used first; a higher number only when those before it fail. */
  readonly priority: number;
  readonly path: 'gateway' | 'direct';
}

export interface ImportedPort extends ServicePort {
  readonly sni: string;
  /** At least one, by priority. */
  readonly endpoints: readonly ImportedEndpoint[];
}

/**
 * A peer's service as our mesh is to know it. SNI, SPIFFE IDs and scope come together, or nothing is
 * written (invariant 12).
 */
export interface ImportedService {
  /** The owner. */
  readonly trustDomain: TrustDomain;
  readonly id: ServiceId;
  /** The host name that callers here use; chosen here, never by the owner. */
  readonly name: string;
  /** The only identities that may answer; all of the owner's trust domain; at least one. */
  readonly spiffeIds: readonly SpiffeId[];
  readonly ports: readonly ImportedPort[];
  /** The namespaces that see the name, where the mesh has namespaces; at least one; `*` for all. */
  readonly namespaces: readonly string[];
  /** `draining` keeps open connections and takes no new ones. */
  readonly state: 'serving' | 'draining';
}
