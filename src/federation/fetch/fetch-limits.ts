/** What one fetch may cost (FED-41, TDB-44; invariant 7). Milliseconds and bytes. */
export interface FetchLimits {
  /** Name lookup and TCP, per hop. Default 3 s. */
  readonly connectMs: number;
  /** TLS handshake, per hop. Default 3 s. */
  readonly tlsMs: number;
  /** From the request to the response's headers, per hop. Default 5 s. */
  readonly firstByteMs: number;
  /** Everything, all hops and the body included. Default 10 s. */
  readonly totalMs: number;
  /** The response's headers. Default 16 KiB. */
  readonly maxHeaderBytes: number;
  /** The document. Default 1 MiB. */
  readonly maxBodyBytes: number;
}

export const defaultFetchLimits: FetchLimits = {
  connectMs: 3_000,
  tlsMs: 3_000,
  firstByteMs: 5_000,
  totalMs: 10_000,
  maxHeaderBytes: 16 * 1024,
  maxBodyBytes: 1024 * 1024,
};
