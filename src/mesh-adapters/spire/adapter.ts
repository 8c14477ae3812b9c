import { defined, given } from '../../objects/index.ts';
import type { Clock, Log, Random } from '../../platform/index.ts';
import { AdapterState } from '../contract/adapter-state.ts';
import { assembleAdapter } from '../contract/assemble-adapter.ts';
import type { MeshAdapter } from '../contract/mesh-adapter.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import { createServiceFiles } from '../contract/service-files.ts';
import { FilePolls } from './file-polls.ts';
import type { PeerEndpoints } from './peer-endpoint.ts';
import { readOwnTrust } from './read-own-trust.ts';
import type { SpireAccess } from './spire-access.ts';
import { readPresentTrust, writeForeignTrust } from './write-foreign-trust.ts';

export interface SpireAdapterOptions {
  readonly access: SpireAccess;
  /** How often the own bundle is read; the API has no watch. */
  readonly pollMs: number;
  /** The file that records which bundles and relationships in SPIRE are ours. */
  readonly ownedFile: string;
  /** The server's trust domain; without it that of the server that was written to first. */
  readonly trustDomain?: TrustDomain | undefined;
  /**
   * Gives SPIRE federation relationships, to poll these endpoints by itself, in the place of
   * bundles.
   */
  readonly endpoints?: PeerEndpoints | undefined;
  /** Where services are written as data, because SPIRE knows none; left out: nowhere. */
  readonly servicesFolder?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/**
 * SPIRE: the server's own bundle, JWT keys too, and one federated bundle or relationship for each
 * foreign trust domain.
 */
export function createSpireAdapter(options: SpireAdapterOptions): MeshAdapter {
  const { access, pollMs, ownedFile, trustDomain, endpoints, clock, random, log } = options;
  const filePolls = new FilePolls(clock);
  const state = new AdapterState({ clock, log });
  // A server that restarts reads its configuration file again.
  state.onProgress(() => filePolls.forget());
  return assembleAdapter({
    kind: 'spire',
    scope: 'per-trust-domain',
    state,
    read: (report, signal) =>
      readOwnTrust({ access, ownedFile, trustDomain, pollMs, state, report, clock, random, signal }),
    ...defined({ services: given(options.servicesFolder, (place) => createServiceFiles(place, clock)) }),
    present: (signal) => readPresentTrust({ access, ownedFile, clock }, signal),
    write: (comparison) =>
      writeForeignTrust(comparison, { access, trustDomain, filePolls, ownedFile, endpoints, clock }),
  });
}
