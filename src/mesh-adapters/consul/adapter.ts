import type { Clock, Log, Random } from '../../platform/index.ts';
import { AdapterState } from '../contract/adapter-state.ts';
import { assembleAdapter } from '../contract/assemble-adapter.ts';
import type { MeshAdapter } from '../contract/mesh-adapter.ts';
import type { ConsulAccess } from './config-writer.ts';
import { createConsulClient } from './consul-client.ts';
import { ImportsByPeer } from './peer-imports.ts';
import { createConsulServices } from './services.ts';
import { readOwnTrust } from './read-own-trust.ts';
import { ForeignTrustWriter } from './write-foreign-trust.ts';

export interface ConsulAdapterOptions {
  /** Base URL of the HTTP API, such as `http://127.0.0.1:8500`. */
  readonly address: string;
  /** Holds an ACL token with `peering:write`; read for every request. */
  readonly tokenFile?: string;
  /** PEM file with the CA of the API's certificate. Without it the system's trust store decides. */
  readonly caFile?: string;
  readonly datacenter?: string;
  /** Peerings under this prefix that also carry our mark are ours; default `federate-`. */
  readonly peerNamePrefix?: string;
  /** Who decides about callers of exported services; default `intentions`. */
  readonly access?: ConsulAccess;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/**
 * Consul: roots by blocking queries, foreign trust by speaking as one cluster peer for each trust
 * domain.
 */
export function createConsulAdapter(options: ConsulAdapterOptions): MeshAdapter {
  const {
    address,
    tokenFile,
    caFile,
    datacenter,
    peerNamePrefix = 'federate-',
    clock,
    random,
    log,
  } = options;
  const state = new AdapterState({ clock, log });
  const client = createConsulClient({ address, tokenFile, caFile, datacenter, clock });
  const onReport: Parameters<MeshAdapter['onReport']>[0] = (report) => state.report(report);
  const imports = new ImportsByPeer();
  const onImports = () => state.progress();
  const writer = new ForeignTrustWriter({
    client,
    peerNamePrefix,
    onReport,
    imports,
    onImports,
    clock,
    random,
    log,
  });
  // A cluster that answers again has its servers back.
  state.onProgress(() => writer.dialNow());
  return assembleAdapter({
    kind: 'consul',
    scope: 'per-trust-domain',
    state,
    read: (report, signal) => readOwnTrust({ client, state, report, clock, random, signal }),
    present: (signal) => writer.present(signal),
    write: (comparison) => writer.apply(comparison),
    services: createConsulServices({
      client,
      writer,
      imports,
      peerNamePrefix,
      access: options.access ?? 'intentions',
      clock,
      random,
    }),
    stop: () => writer.stop(),
  });
}
