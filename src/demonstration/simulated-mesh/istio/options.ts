import type { Clock, Log, Random } from '../../../platform/index.ts';
import type { TrustDomain } from '../../../spiffe/index.ts';

/** A workload of the simulated Istio; its ID is `spiffe://<td>/ns/<namespace>/sa/<account>`. */
export interface IstioWorkload {
  readonly name: string;
  readonly namespace: string;
  readonly account: string;
  /**
   * Unix socket on which its proxy gets `default` and `ROOTCA` over SDS, and the workload itself
   * the SPIFFE Workload API.
   */
  readonly sdsSocket: string;
  /** The labels of its pod; default `app: <name>`. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The Service in front of it; none for a workload that is never called. */
  readonly service?: IstioService;
}

/** The Service of a workload; its host is `<workload>.<namespace>.svc.cluster.local`. */
export interface IstioService {
  /** Where its proxy takes mTLS: an IP address, or a host name that the callers can resolve. */
  readonly address: string;
  readonly ports: readonly {
    readonly name: string;
    /** The port of the Service, at which the proxy takes mTLS. */
    readonly port: number;
    /** The port at which the workload listens; access rules name this one. */
    readonly targetPort: number;
    readonly protocol: 'http' | 'http2' | 'grpc' | 'tcp';
  }[];
}

/** The options of a simulated Istio. */
export interface SimulatedIstioOptions {
  /** Holds the CA and the Kubernetes objects; made with mode 0700 when it is not there. */
  readonly folder: string;
  readonly trustDomain: TrustDomain;
  readonly trustDomainAliases?: readonly TrustDomain[];
  /**
   * The address of the Kubernetes API; with port 0 the system chooses. Kubeconfigs contain
   * `advertisedHost` instead of `host`.
   */
  readonly kubernetes: { readonly host: string; readonly port: number; readonly advertisedHost?: string };
  /**
   * Written (mode 0600) for the agent's adapter: a service account that may read ConfigMaps and
   * update the mesh ConfigMap only.
   */
  readonly kubeconfigFile: string;
  /** Written (mode 0600) for the operator with all rights; not written when absent. */
  readonly adminKubeconfigFile?: string;
  /** `ISTIO_MULTIROOT_MESH` of istiod: without it `caCertificates` have no effect. Default true. */
  readonly multiroot?: boolean;
  /** Default `istio-system`. */
  readonly systemNamespace?: string;
  readonly workloads: readonly IstioWorkload[];
  /** A YAML file with objects of the operator, made at the start where they are missing. */
  readonly manifestsFile?: string;
  /** Life of a workload's SVID, default one hour; renewed at half of it. */
  readonly svidTtlMs?: number;
  readonly controlSocket: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}
