import { type Clock, fileMarks, type Log, type Random, watchFiles } from '../../platform/index.ts';
import { defaultBundleLimits } from '../../spiffe/index.ts';
import { AdapterState } from '../contract/adapter-state.ts';
import { assembleAdapter } from '../contract/assemble-adapter.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import { readBoundedFile } from '../files/bounded-file.ts';
import type { MeshAdapter, OwnTrust } from '../contract/mesh-adapter.ts';
import { ownRootsFromSources } from '../contract/own-roots.ts';
import { SecondLook } from '../contract/second-look.ts';
import { Anchors } from '../contract/anchors.ts';
import { MeshConfigFile } from './mesh-config-file.ts';
import { type MeshConfigDocument, parseMeshConfig } from './mesh-config-document.ts';
import { presentOfAnchors } from '../contract/present-anchors.ts';
import { ownAnchorsIn, planForeignTrust } from './plan.ts';
import { ownTrustOfRoots } from './read-own-trust.ts';
import { ROOM_IN_FILE } from './room.ts';

export interface IstioFileAdapterOptions {
  /**
   * The file given to istiod as `--meshConfig`. We write it too, so it must be a plain file in a
   * writable folder.
   */
  readonly meshConfigFile: string;
  /** PEM files with the roots that istiod's CA signs under. */
  readonly ownPemFiles: readonly string[];
  readonly pollMs: number;
  /**
   * The operator accepts that foreign roots are written unchanged and can speak for every trust
   * domain.
   */
  readonly acceptUnnarrowed?: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/**
 * Istio without Kubernetes: own roots from PEM files, trust domain and `caCertificates` in the file
 * that istiod watches as its mesh config, narrowed as in a ConfigMap.
 */
export function createIstioFileAdapter(options: IstioFileAdapterOptions): MeshAdapter {
  const { ownPemFiles, pollMs, acceptUnnarrowed: unnarrowed = false, clock, random, log } = options;
  const state = new AdapterState({ clock, log });
  const file = new MeshConfigFile(options.meshConfigFile);
  const anchors = new Anchors({ unnarrowed });
  const ownRoots = async () => {
    const sources = await Promise.all(
      ownPemFiles.map(async (where) => ({ where, pems: [await readPem(where)] })),
    );
    const roots = ownRootsFromSources(sources);
    return (config: MeshConfigDocument): OwnTrust => ownTrustOfRoots(config, roots);
  };
  const readOnce = async (): Promise<OwnTrust> => {
    const [own, { text }] = await Promise.all([ownRoots(), file.read()]);
    return own(parseMeshConfig(text));
  };
  const secondLook = new SecondLook({
    look: readOnce,
    pollMs,
    marks: () => fileMarks(ownPemFiles),
    onTrouble: (error) => state.trouble('own-trust', error),
    clock,
  });
  const look = async (report: (own: OwnTrust) => void) => {
    try {
      report(await readOnce());
      state.contact('own-trust');
    } catch (error) {
      if (!(error instanceof MeshAdapterError)) throw error;
      // The last report stays.
      state.trouble('own-trust', error);
    }
  };
  return assembleAdapter({
    kind: 'istio',
    scope: 'merged',
    state,
    read: (report, signal) => {
      const paths = [file.path, ...ownPemFiles];
      return watchFiles({ paths, everyMs: pollMs, clock, signal, look: () => look(report) });
    },
    secondLook,
    present: async () => presentOfAnchors(ownAnchorsIn(await file.read()), `caCertificates of ${file.path}`),
    retry: { clock, random },
    write: async ({ wanted, reported, kept }) => {
      const [own, held] = await Promise.all([ownRoots(), file.read()]);
      const now = clock.now();
      const plan = await planForeignTrust(wanted, held, {
        own: (config) => secondLook.counting(own(config)),
        anchors,
        elsewhere: [],
        unnarrowed,
        room: ROOM_IN_FILE,
        notes: [],
        reported,
        kept,
        now,
      });
      if (plan.change) await file.replace(held, plan.change);
      anchors.prune(plan.chosen);
      return plan.reports;
    },
  });
}

async function readPem(path: string): Promise<string> {
  const bytes = await readBoundedFile(path, defaultBundleLimits.maxBytes);
  if (bytes) return bytes.toString('utf8');
  throw new MeshAdapterError('file-unreadable', `${JSON.stringify(path)} is not there`);
}
