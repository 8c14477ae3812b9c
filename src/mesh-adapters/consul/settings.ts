import { fieldsOf } from '../contract/fields.ts';
import type { ConsulClient } from './consul-client.ts';

/**
 * The settings of a Consul agent that matter to federation. A member is undefined where the API
 * does not report it.
 */
export interface ConsulSettings {
  readonly version?: string;
  readonly datacenter?: string;
  readonly connect?: boolean;
  readonly peering?: boolean;
  /** Minus one where it is off. */
  readonly grpcTlsPort?: number;
  readonly aclsEnabled?: boolean;
  /** The default where no intention matches. */
  readonly intentionDefault?: 'allow' | 'deny';
}

/** Reads the settings. Throws `MeshAdapterError`. */
export async function readSettings(client: ConsulClient, signal: AbortSignal): Promise<ConsulSettings> {
  return settingsOf((await client.send('GET', '/v1/agent/self', { signal })).value);
}

function settingsOf(value: unknown): ConsulSettings {
  const { Config, DebugConfig } = fieldsOf(value);
  const { Version, Datacenter } = fieldsOf(Config);
  const debug = fieldsOf(DebugConfig);
  const { ConnectEnabled, PeeringEnabled, GRPCTLSPort, ACLsEnabled, DefaultIntentionPolicy } = debug;
  const { ACLDefaultPolicy } = fieldsOf(debug['ACLResolverSettings']);
  // Without ACLs Consul denies nothing by default. The default of the intentions takes precedence.
  const policy = DefaultIntentionPolicy || (ACLsEnabled === false ? 'allow' : ACLDefaultPolicy);
  return {
    ...(typeof Version === 'string' && { version: Version }),
    ...(typeof Datacenter === 'string' && { datacenter: Datacenter }),
    ...(typeof ConnectEnabled === 'boolean' && { connect: ConnectEnabled }),
    ...(typeof PeeringEnabled === 'boolean' && { peering: PeeringEnabled }),
    ...(typeof GRPCTLSPort === 'number' && { grpcTlsPort: GRPCTLSPort }),
    ...(typeof ACLsEnabled === 'boolean' && { aclsEnabled: ACLsEnabled }),
    ...((policy === 'allow' || policy === 'deny') && { intentionDefault: policy }),
  };
}
