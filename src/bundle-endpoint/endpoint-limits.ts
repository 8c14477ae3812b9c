export interface EndpointLimits {
  /** Connections at once, handshakes included; further ones are closed. */
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  /** Clients that are held until the bundle changes; further ones are answered at once. */
  readonly maxWaiting: number;
  /**
   * The same, per address (IPv6: per /64), for clients that did not prove which peer they are.
   */
  readonly maxWaitingPerAddress: number;
  /** Longest TLS handshake. */
  readonly handshakeMs: number;
  /** From the first byte of a request to the end of its headers. */
  readonly headersMs: number;
  /** Longest wait for the next request on a kept connection. */
  readonly idleMs: number;
}

/** The limits of an endpoint that is configured with connections only. */
export const defaultEndpointLimits: Omit<EndpointLimits, 'maxConnections' | 'maxConnectionsPerAddress'> = {
  maxWaiting: 2000,
  maxWaitingPerAddress: 16,
  handshakeMs: 5000,
  headersMs: 5000,
  idleMs: 30_000,
};
