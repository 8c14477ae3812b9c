import type { Clock, Log, Random } from '../../../platform/index.ts';

/**
 * A service of the simulated Consul; its ID is
 * `spiffe://<uuid>.consul/ns/<namespace>/dc/<dc>/svc/<service>`.
 */
export interface ConsulWorkload {
  readonly name: string;
  /** Default `default`. */
  readonly namespace?: string;
  readonly service: string;
  /**
   * Unix socket on which its proxy gets `default` and `ROOTCA` over SDS, and the workload itself
   * the SPIFFE Workload API.
   */
  readonly sdsSocket: string;
  /** Its proxy, as the catalog shows it; none for a workload that is never called. */
  readonly proxy?: ConsulProxy;
}

/** The proxy in front of a workload. */
export interface ConsulProxy {
  /** Where it takes mTLS: an IP address, or a host name that the callers can resolve. */
  readonly address: { readonly host: string; readonly port: number };
  /** The port at which the workload listens. */
  readonly localPort: number;
  /** Written to `service-defaults` where the operator set none; `tcp` without one, as in the product. */
  readonly protocol?: string;
}

/** The options of a simulated Consul. */
export interface SimulatedConsulOptions {
  /** Holds the CA, peerings and config entries; made with mode 0700 when it is not there. */
  readonly folder: string;
  /** The cluster's UUID, lower case; the trust domain is `<uuid>.consul`. */
  readonly uuid: string;
  /** Default `dc1`. */
  readonly datacenter?: string;
  /** The HTTP API; port 0 lets the system choose. */
  readonly http: { readonly host: string; readonly port: number };
  /**
   * The gRPC over TLS listener of peerings. Peering tokens contain `advertisedHost` instead of
   * `host`.
   */
  readonly peering: { readonly host: string; readonly port: number; readonly advertisedHost?: string };
  /**
   * With it ACLs are on: a token with all rights is made, stored there (mode 0600), and required.
   * Without it everything is allowed, as in `consul agent -dev`.
   */
  readonly aclTokenFile?: string;
  /** `default_intention_policy`; without it that of the ACLs: deny where they are on. */
  readonly intentionDefault?: 'allow' | 'deny';
  readonly workloads: readonly ConsulWorkload[];
  /** Life of a workload's SVID, default one hour (the product: 72 hours); renewed at half of it. */
  readonly svidTtlMs?: number;
  readonly controlSocket: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}
