import { type Fields, fieldsOf, textOf } from '../contract/fields.ts';
import { listConfigEntries } from './config-entries.ts';
import type { ConsulClient } from './consul-client.ts';

/** What Consul's proxies know about services; the default of all under `*`. */
export interface ServiceDefaults {
  readonly protocols: ReadonlyMap<string, string>;
  /** How the proxies take clients without mTLS: `strict`, or `permissive`. */
  readonly mutualTls: ReadonlyMap<string, string>;
}

/** Reads the defaults. Throws `MeshAdapterError`. */
export async function readServiceDefaults(
  client: ConsulClient,
  signal: AbortSignal,
): Promise<ServiceDefaults> {
  const [proxyDefaults, serviceDefaults] = await Promise.all([
    listConfigEntries(client, 'proxy-defaults', signal),
    listConfigEntries(client, 'service-defaults', signal),
  ]);
  const protocols = new Map<string, string>();
  const mutualTls = new Map<string, string>();
  const note = (name: string, protocol: unknown, { MutualTLSMode: mode }: Fields) => {
    if (textOf(protocol) !== '') protocols.set(name, textOf(protocol));
    if (textOf(mode) !== '') mutualTls.set(name, textOf(mode));
  };
  for (const { fields } of proxyDefaults) note('*', fieldsOf(fields['Config'])['protocol'], fields);
  for (const { name, fields } of serviceDefaults) note(name, fields['Protocol'], fields);
  return { protocols, mutualTls };
}

/** The value for a service, else that of all. */
export function defaultOf(values: ReadonlyMap<string, string>, service: string): string | undefined {
  return values.get(service) ?? values.get('*');
}
