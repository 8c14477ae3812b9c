import { CodedError } from '../../spiffe/index.ts';

export type AgentErrorCode =
  /** The mesh now says another trust domain than the one in the config or in the store. */
  | 'own-trust-domain-changed'
  /** The mesh has not told its roots yet, so a peer cannot be judged against them. */
  | 'own-bundle-unknown'
  /** "own" was said, and a peer has that name. */
  | 'own-ambiguous'
  /** The mesh holds nothing of that trust domain without a record in the store. */
  | 'no-unrecorded-trust'
  /** The mesh does not show which roots it holds, so they cannot prove a first bundle. */
  | 'mesh-shows-no-keys'
  /** Something is to be signed, and the agent has no X509-SVID, or none yet. */
  | 'no-svid'
  /** The CA file of our own endpoint cannot be read. */
  | 'ca-file-unusable';

/** Why the agent cannot do what it was asked. */
export class AgentError extends CodedError<AgentErrorCode> {}
