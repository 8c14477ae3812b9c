import { defined, given } from '../../objects/index.ts';
import { type Clock, fileMarks, type Log } from '../../platform/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import { AdapterState } from '../contract/adapter-state.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import { assembleAdapter } from '../contract/assemble-adapter.ts';
import type { MeshAdapter, OwnTrust } from '../contract/mesh-adapter.ts';
import { createServiceFiles } from '../contract/service-files.ts';
import { SecondLook } from '../contract/second-look.ts';
import { loadOwnTrust, type OwnFiles, pathsOf, readOnce, readOwnTrust } from './read-own-trust.ts';
import { readPresentTrust, writeForeignTrust } from './write-foreign-trust.ts';

export interface FilesAdapterOptions {
  readonly trustDomain: TrustDomain;
  readonly own: OwnFiles;
  /** PEM file with the roots that sign now, where another program writes one. */
  readonly signingPemFile?: string | undefined;
  /** Made when it is not there; files in it that are not ours stay. */
  readonly foreignFolder: string;
  /** Where services are written as data; left out: nowhere. */
  readonly servicesFolder?: string;
  /** How often the own files are looked at. */
  readonly pollMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Plain files, for every mesh without an adapter. Own roots come from PEM files or a SPIFFE bundle
 * document. Foreign bundles are written as `<td>.pem`, `<td>.json` and one map `bundles.json`. For
 * gRPC's own verification, `grpc-bundles.json` has our roots too. Each file is replaced as a whole.
 */
export function createFilesAdapter(options: FilesAdapterOptions): MeshAdapter {
  const { trustDomain, own, signingPemFile, foreignFolder: folder, pollMs, clock, log } = options;
  const state = new AdapterState({ clock, log });
  let known: OwnTrust | undefined;
  // Own files in the middle of a write must not delay a revocation in the folder: judge foreign
  // roots by the last good read.
  const ownTrust = async (): Promise<OwnTrust> => {
    try {
      known = secondLook.counting(await loadOwnTrust(trustDomain, own));
    } catch (error) {
      if (known === undefined || !(error instanceof MeshAdapterError)) throw error;
    }
    return known;
  };
  const secondLook = new SecondLook({
    look: () => readOnce({ trustDomain, own, signingPemFile }),
    pollMs,
    marks: () => fileMarks(pathsOf(own, signingPemFile)),
    onTrouble: (error) => state.trouble('roots', error),
    clock,
  });
  return assembleAdapter({
    kind: 'files',
    scope: 'per-trust-domain',
    state,
    read: (report, signal) =>
      readOwnTrust({ trustDomain, own, signingPemFile, pollMs, state, report, clock, signal }),
    secondLook,
    present: () => readPresentTrust(folder),
    ...defined({ services: given(options.servicesFolder, (place) => createServiceFiles(place, clock)) }),
    write: async ({ wanted, kept }) =>
      writeForeignTrust(wanted, { folder, own: await ownTrust(), kept, clock }),
  });
}
