import type { Clock, Log, Random } from '../../platform/index.ts';
import { AdapterState } from '../adapter-state.ts';
import { assembleAdapter } from '../assemble-adapter.ts';
import type { MeshAdapter } from '../mesh-adapter.ts';
import { readOwnTrust } from './read-own-trust.ts';
import type { SpireAccess } from './spire-access.ts';
import { writeForeignTrust } from './write-foreign-trust.ts';

export interface SpireAdapterOptions {
  readonly access: SpireAccess;
  /** How often the own bundle is asked for; the API has no watch. */
  readonly pollMs: number;
  /** Where it is noted whose bundles in SPIRE are ours. */
  readonly ownedFile: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** SPIRE: the server's own bundle, JWT keys too, and one federated bundle for each foreign trust domain (mesh-surfaces §6). */
export function createSpireAdapter(options: SpireAdapterOptions): MeshAdapter {
  const { access, pollMs, ownedFile, clock, random, log } = options;
  const state = new AdapterState({ clock, log });
  return assembleAdapter({
    kind: 'spire',
    scope: 'per-trust-domain',
    state,
    read: (tell, signal) => readOwnTrust({ access, pollMs, state, tell, clock, random, signal }),
    write: (wanted, signal) => writeForeignTrust(wanted, { access, ownedFile, clock }, signal),
  });
}
