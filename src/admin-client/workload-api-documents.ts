/** How it stands with the proxies and workloads that the agent serves. */
export interface WorkloadApiDocument {
  readonly socket: string;
  /** Open SDS streams, one per proxy as a rule. */
  readonly proxies: number;
  /** Secrets that these proxies asked for and that there are, counted once per proxy. */
  readonly secrets: number;
  /** Those of them that the proxy has acknowledged as they are now. */
  readonly secrets_current: number;
  /** Those that a proxy refused (NACK); it goes on with the one before. The first hundred. */
  readonly refused: readonly { readonly proxy: string; readonly secret: string; readonly reason: string }[];
  /** Open streams of the SPIFFE Workload API. */
  readonly workload_streams: number;
}
