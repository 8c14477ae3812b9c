import { CodedError } from '../../errors/index.ts';

/**
 * Why an export, an access rule or a declared service was refused.
 *
 * - `services-off` the config of the agent has no section `services`
 * - `own-bundle-unknown` our own mesh has not reported its trust domain yet
 * - `service-unknown` no service of ours has this ID
 * - `service-not-exportable` the service has an obstacle, such as workloads that take plain text
 * - `service-foreign-identity` a declared service names an identity of another trust domain
 * - `service-still-exported` a declared service cannot be forgotten while it is exported
 * - `peer-unknown` there is no relationship with this trust domain
 * - `export-to-self` a service is exported to peers, and this is our own trust domain
 * - `not-exported` the service is not exported to this peer
 * - `no-svid` this agent has no SVID to sign lists with
 * - `no-gateway` the config names no gateway, so no peer could reach the service
 * - `catalogue-too-large` the catalogue of the peer would exceed a bound
 * - `port-unknown` the service has several ports, or none of this name
 * - `rules-many` the service has as many rules as a service may have
 * - `rule-id-taken` another rule of the service has this ID
 * - `rule-unknown` the service has no rule with this ID
 * - `declared-in-config` the config file declares it, so only the config file can change it
 * - `declared-in-mesh` the configuration of the mesh declares it
 */
export type ExportErrorCode =
  | 'services-off'
  | 'own-bundle-unknown'
  | 'service-unknown'
  | 'service-not-exportable'
  | 'service-foreign-identity'
  | 'service-still-exported'
  | 'peer-unknown'
  | 'export-to-self'
  | 'not-exported'
  | 'no-svid'
  | 'no-gateway'
  | 'catalogue-too-large'
  | 'port-unknown'
  | 'rules-many'
  | 'rule-id-taken'
  | 'rule-unknown'
  | 'declared-in-config'
  | 'declared-in-mesh';

/** Something about the services that we export was refused; what was in effect stays. */
export class ExportError extends CodedError<ExportErrorCode> {}
