import { CodedError } from '../../spiffe/index.ts';

export type MeshAdapterErrorCode =
  /** Nobody answers, or the connection broke. */
  | 'mesh-unreachable'
  /** The mesh knows us not (401). */
  | 'mesh-unauthenticated'
  /** The mesh knows us, and we may not do this (403). */
  | 'mesh-forbidden'
  /** What the mesh should have is not there (404). */
  | 'mesh-not-found'
  /** Somebody else was faster, again and again (409). */
  | 'mesh-conflict'
  /** What we remembered is too old to go on from (410). */
  | 'mesh-expired'
  /** The mesh answers that it cannot just now (429, 5xx). */
  | 'mesh-unavailable'
  /** An answer that we do not understand, or that is beyond our limits. */
  | 'mesh-answer-malformed'
  /** The mesh refuses what we asked for (any other 4xx). */
  | 'mesh-refused'
  /** Kubeconfig or service account cannot be used. */
  | 'credentials-unusable'
  /** The mesh's own roots are not there, or are no CA certificates. */
  | 'own-roots-malformed'
  /** The mesh's own trust domain is none. */
  | 'own-trust-domain-malformed'
  /** The mesh tells of no trust domain of its own, or not of the one that the config names. */
  | 'own-trust-domain-missing'
  /**
   * The mesh has several trust domains of its own, and the config does not say which one is meant.
   */
  | 'own-trust-domain-ambiguous'
  /** Behind the address stands another trust domain than the one that we wrote for. */
  | 'own-trust-domain-changed'
  /**
   * Key `mesh` is not there or is no YAML mapping that could be changed without touching anything
   * else.
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
