import { CodedError } from '../../errors/index.ts';

/**
 * Why something about imports was refused.
 *
 * - `services-off` the config of the agent has no section `services`
 * - `not-federated` there is no relationship with this trust domain
 * - `service-not-offered` the peer does not offer this service to us now
 * - `not-imported` nothing of this name or ID is imported
 * - `import-ambiguous` several peers' services have this ID: name the peer
 * - `import-name-taken` another import or a service of ours has the name
 * - `import-sni-taken` another import is already reached under the same SNI
 * - `declared-in-config` the config file declares it, so only the config file can change it
 * - `nothing-waits` no catalogue of this peer waits for a decision
 * - `offer-changed` the waiting catalogue is another one than the named one
 */
export type ImportErrorCode =
  | 'services-off'
  | 'not-federated'
  | 'service-not-offered'
  | 'not-imported'
  | 'import-ambiguous'
  | 'import-name-taken'
  | 'import-sni-taken'
  | 'declared-in-config'
  | 'nothing-waits'
  | 'offer-changed';

/** Something about imports was refused; what was in effect stays. */
export class ImportError extends CodedError<ImportErrorCode> {}
