import type { SpiffeId } from '../../../spiffe/index.ts';
import type { SidecarErrorCode } from '../errors.ts';

/** One place where a service answers: another sidecar, or a gateway on the way to it. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
  /** The SNI that is sent; a gateway routes by it. */
  readonly serverName: string;
  /** The endpoint must prove one of these. */
  readonly spiffeIds: readonly SpiffeId[];
  /** 0 is used first; a higher number only while no endpoint of a lower number can be used. */
  readonly priority: number;
}

/** A service that the workload calls. */
export interface Upstream {
  /** Names the service in logs and metrics; unique in one sidecar. */
  readonly name: string;
  readonly endpoints: readonly Endpoint[];
  /** Why there is no endpoint, where the source knows more than that. */
  readonly absence?: { readonly code: SidecarErrorCode; readonly message: string } | undefined;
}

/** Where the endpoints of one upstream come from: the config file, or a control plane. */
export interface UpstreamSource {
  /** Constant while the upstream exists. */
  readonly name: string;
  /** The endpoints now; none before the source has any, and after the service was withdrawn. */
  current(): Upstream;
  /** Calls back after each change; returns how to stop that. */
  onChange(listener: () => void): () => void;
}

/** An upstream that never changes. */
export function fixedUpstream(upstream: Upstream): UpstreamSource {
  return { name: upstream.name, current: () => upstream, onChange: () => () => {} };
}

/**
 * Tells endpoints apart. Because a connection was proved for these IDs under this name, an endpoint
 * with another name or other IDs is another endpoint.
 */
export function endpointKey({ address, port, serverName, spiffeIds }: Endpoint): string {
  return JSON.stringify([address, port, serverName, [...spiffeIds].sort()]);
}
