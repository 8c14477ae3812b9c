import type { SpiffeId, TrustDomain } from '../../spiffe/index.ts';
import type { EndpointAddress } from './endpoint-address.ts';
import type { Service, ServicePort } from './service.ts';

export interface OwnPort extends ServicePort {
  /**
   * Where the mesh's own proxies take mTLS for this port: our gateway forwards there. Left out where
   * neither the mesh nor the operator names it; then the port cannot be exported.
   */
  readonly target?: EndpointAddress;
}

/** A service of our mesh that can be exported. */
export interface OwnService extends Service {
  readonly ports: readonly OwnPort[];
  /** The SPIFFE ID of every instance, all of our trust domain; at least one. */
  readonly spiffeIds: readonly SpiffeId[];
  /** The namespace of its workloads, where the mesh has namespaces. */
  readonly namespace?: string;
  /** The labels that select its workloads. */
  readonly labels: Readonly<Record<string, string>>;
  /** Whether the mesh reported it, or the operator declared it. */
  readonly origin: 'mesh' | 'operator';
  /**
   * The peers that the mesh's own configuration exports it to, such as Consul's `exported-services`
   * for our peerings. They count as exports, and the mesh is not asked for them. Absent where the
   * mesh has no such configuration.
   */
  readonly exportedTo?: readonly TrustDomain[];
  /** Why it cannot be exported, such as workloads that take plain text. */
  readonly obstacle?: { readonly code: string; readonly message: string };
}
