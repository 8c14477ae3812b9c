import type { Clock, Random } from '../../platform/index.ts';
import type { ConsulClient } from './consul-client.ts';

/**
 * Who decides about callers of exported services: Consul's intentions, or a filter next to them that
 * knows every SPIFFE ID, such as ext_authz with our Rego.
 */
export type ConsulAccess = 'intentions' | 'external';

/** Where services of the cluster are exported and who may call them is written. */
export interface ConfigWriter {
  readonly client: ConsulClient;
  readonly peerNamePrefix: string;
  readonly access: ConsulAccess;
  readonly clock: Clock;
  readonly random: Random;
}
