/** Where the agent's own X509-SVID comes from, and how it stands. */
export interface IdentityDocument {
  readonly source: 'files' | 'sds' | 'workload-api';
  /** The file, the socket, or the address of the Workload API. */
  readonly from: string;
  /** Null while there is none: it has not come yet, has expired or was taken back. */
  readonly id: string | null;
  readonly not_after: string | null;
  /** Why nothing new comes from a Workload API: `permission-denied`, `refused`, `unavailable`, `message-malformed`; or `svid-expired`: it was not renewed. */
  readonly code: string | null;
  readonly message: string | null;
}
