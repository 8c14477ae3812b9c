import type { Clock, Log, Random } from '../../platform/index.ts';
import type { Pin, TrustDomain } from '../../spiffe/index.ts';
import { AdapterState } from '../contract/adapter-state.ts';
import { assembleAdapter } from '../contract/assemble-adapter.ts';
import { readPresentTrust, writeForeignTrust } from '../files/write-foreign-trust.ts';
import { SecondLook } from '../contract/second-look.ts';
import type { MeshAdapter, OwnTrust } from '../contract/mesh-adapter.ts';
import { fetchOwnTrust, readOwnTrust, type VaultSource } from './read-own-trust.ts';
import { type VaultAccess, VaultClient } from './vault-client.ts';

export interface VaultAdapterOptions {
  readonly access: VaultAccess;
  /** A PKI mount does not know the trust domain of its roots. */
  readonly trustDomain: TrustDomain;
  /**
   * The roots of the mount that are ours, by key or certificate; without any those that signed
   * themselves.
   */
  readonly pins: readonly Pin[];
  /** How often the mount is polled; it has no watch. */
  readonly pollMs: number;
  /** The folder for foreign bundles, as in a mesh of files. */
  readonly foreignFolder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/**
 * A PKI mount of Vault or OpenBao as the source of own roots. It holds no
 * foreign trust: that is written to files, as the `files` adapter does.
 */
export function createVaultAdapter(options: VaultAdapterOptions): MeshAdapter {
  const { access, trustDomain, pins, pollMs, foreignFolder: folder, clock, random, log } = options;
  const state = new AdapterState({ clock, log });
  const where = `mount ${JSON.stringify(access.mount)} at ${access.address}`;
  const source: VaultSource = { client: new VaultClient(access, clock), trustDomain, pins, where };
  let known: OwnTrust | undefined;
  // A vault that is away must not delay a revocation in the files: judge foreign roots by the last
  // good read.
  const ownTrust = async (signal: AbortSignal): Promise<OwnTrust> => {
    try {
      known = await fetchOwnTrust(source, signal);
    } catch (error) {
      if (known === undefined || signal.aborted) throw error;
    }
    return known;
  };
  const secondLook = new SecondLook({
    look: (signal) => fetchOwnTrust(source, signal),
    pollMs,
    onTrouble: (error) => state.trouble('roots', error),
    clock,
  });
  return assembleAdapter({
    kind: 'vault',
    scope: 'per-trust-domain',
    state,
    read: (report, signal) =>
      readOwnTrust({
        source,
        pollMs,
        state,
        report: (own) => {
          known = own;
          report(own);
        },
        clock,
        random,
        signal,
      }),
    secondLook,
    present: () => readPresentTrust(folder),
    write: async ({ wanted, signal, kept }) =>
      writeForeignTrust(wanted, { folder, own: secondLook.counting(await ownTrust(signal)), kept, clock }),
  });
}
