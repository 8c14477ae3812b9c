import { CodedError } from '../spiffe/index.ts';

export type AgentErrorCode =
  /** The mesh now reports another trust domain than the one in the config or in the store. */
  | 'own-trust-domain-changed'
  /** The mesh has not reported its roots yet, so a peer cannot be judged against them. */
  | 'own-bundle-unknown'
  /** The operator wrote "own", and a peer has that name. */
  | 'own-ambiguous'
  /** Everything that the mesh holds of that trust domain has a record in the store. */
  | 'no-unrecorded-trust'
  /** The mesh does not show which roots it holds, so they cannot prove a first bundle. */
  | 'mesh-shows-no-keys'
  /** A signature needs an X509-SVID, and the agent has none yet, or none at all. */
  | 'no-svid'
  /** The CA file of our own endpoint cannot be read. */
  | 'ca-file-unusable';

/** The reasons for which the agent cannot do what was requested. */
export class AgentError extends CodedError<AgentErrorCode> {}
