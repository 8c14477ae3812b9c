import { MeshAdapterError } from '../contract/errors.ts';
import type { ServiceFault } from '../contract/judge-imports.ts';
import type { ConsulAccess } from './config-writer.ts';
import type { ConsulClient } from './consul-client.ts';
import { readSettings } from './settings.ts';

/** What the default of intentions means for services that are exported. */
export interface IntentionDefault {
  /** Why no service may be exported, and no rule holds. */
  readonly fault?: ServiceFault;
  /** What the operator should know. */
  readonly note?: ServiceFault;
}

const WAY_OUT =
  'set default_intention_policy = "deny" on the Consul servers, or use ACLs with default_policy = "deny"';

/**
 * Reads whether intentions deny by default. Where they allow, an identity that no intention can name
 * passes at every exported service, whatever the intentions say (invariant 13). Throws
 * `MeshAdapterError` where the cluster does not answer.
 */
export async function readIntentionDefault(
  client: ConsulClient,
  access: ConsulAccess,
  signal: AbortSignal,
): Promise<IntentionDefault> {
  const found = await readDefault(client, signal);
  if (found === 'deny') return {};
  if (found === undefined)
    return {
      note: {
        code: 'intention-default-unknown',
        message: `the token cannot read the default of intentions (agent_prefix "" { policy = "read" }); where they allow by default, an exported service is open to the whole trust domain: ${WAY_OUT}`,
      },
    };
  const message = `intentions allow by default, so an exported service is open to every identity of the peer: ${WAY_OUT}`;
  if (access === 'external') return { note: { code: 'intentions-default-allow', message } };
  return {
    fault: {
      code: 'intentions-default-allow',
      message: `${message}; where another filter decides, such as ext_authz with our Rego, set access: external in the mesh section`,
    },
  };
}

async function readDefault(client: ConsulClient, signal: AbortSignal): Promise<'allow' | 'deny' | undefined> {
  try {
    return (await readSettings(client, signal)).intentionDefault;
  } catch (error) {
    if (error instanceof MeshAdapterError && error.code === 'mesh-forbidden') return undefined;
    throw error;
  }
}
