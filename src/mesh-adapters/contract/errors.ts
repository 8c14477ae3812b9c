import { CodedError } from '../../spiffe/index.ts';

export type MeshAdapterErrorCode =
  /** The mesh does not answer, or the connection broke. */
  | 'mesh-unreachable'
  /** The mesh does not accept our credentials (401). */
  | 'mesh-unauthenticated'
  /** The mesh accepts our credentials, but they lack the right for this request (403). */
  | 'mesh-forbidden'
  /** Something that the mesh should have is missing (404). */
  | 'mesh-not-found'
  /** Another writer was faster, several times in a row (409). */
  | 'mesh-conflict'
  /** The remembered version is too old to continue from (410). */
  | 'mesh-expired'
  /** The mesh answers that it cannot just now (429, 5xx). */
  | 'mesh-unavailable'
  /** An answer that we do not understand, or that is beyond our limits. */
  | 'mesh-answer-malformed'
  /** The mesh refuses the request (any other 4xx). */
  | 'mesh-refused'
  /** An object under the name that we would write has another owner. */
  | 'object-not-ours'
  /** The mesh does not keep a field that we sent, so the object would mean something else. */
  | 'mesh-drops-field'
  /** Kubeconfig or service account cannot be used. */
  | 'credentials-unusable'
  /** The mesh's own roots are missing or are not CA certificates. */
  | 'own-roots-malformed'
  /** The mesh's own trust domain is none. */
  | 'own-trust-domain-malformed'
  /** The mesh reports no trust domain of its own, or not the one in the config. */
  | 'own-trust-domain-missing'
  /** The mesh has several trust domains of its own, and the config does not choose one. */
  | 'own-trust-domain-ambiguous'
  /** The server at the address has another trust domain than the one that we wrote for. */
  | 'own-trust-domain-changed'
  /**
   * Key `mesh` is missing, or it is not a YAML mapping that can be changed without touching
   * anything else.
   */
  | 'mesh-config-missing'
  | 'mesh-config-malformed'
  | 'mesh-config-unsupported'
  /** The peering token is none we could dial with safely. */
  | 'peering-token-malformed'
  /** The peering's secret is not (or no longer) accepted. */
  | 'peering-secret-refused'
  /** The control plane ended the peering. */
  | 'peering-terminated'
  /** The peering stream broke or fell silent. */
  | 'peer-stream-lost'
  /** Files under the names we would write are not ours. */
  | 'file-not-ours'
  | 'file-unreadable'
  | 'file-unwritable';

/** A mesh could not be read or written. */
export class MeshAdapterError extends CodedError<MeshAdapterErrorCode> {}
