import type { Clock, Log, Random } from '../../platform/index.ts';
import type { TrustBundle, TrustDomain } from '../../spiffe/index.ts';
import { AdapterState } from '../adapter-state.ts';
import { Anchors } from '../anchors.ts';
import { MeshAdapterError } from '../errors.ts';
import type { KubernetesSource } from '../kubernetes/kubernetes-access.ts';
import { KubernetesClient } from '../kubernetes/kubernetes-client.ts';
import type { ForeignTrustReport, MeshAdapter, OwnTrust } from '../mesh-adapter.ts';
import type { ClusterTrustBundleMarks } from './render.ts';
import { type ClusterTrustBundleWriter, writeForeignTrust } from './write-foreign-trust.ts';

export interface ClusterTrustBundleOptions {
  readonly kubernetes: KubernetesSource;
  readonly marks: ClusterTrustBundleMarks;
  /** The operator accepts that foreign roots are written as they are. */
  readonly acceptUnnarrowed?: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/**
 * The adapter of any mesh, and beside it the same foreign trust as ClusterTrustBundles, one for each trust domain, as
 * narrowed anchors (mesh-surfaces §8, §9). Each goes its own way: the mesh being away keeps no revocation from the
 * ClusterTrustBundles, and trouble with these is told at the mesh's reports. Gone is what is gone from both.
 */
export function withClusterTrustBundles(
  adapter: MeshAdapter,
  options: ClusterTrustBundleOptions,
): MeshAdapter {
  const { kubernetes, marks, acceptUnnarrowed: unnarrowed = false, clock, random, log } = options;
  const state = new AdapterState({ clock, log });
  const client = new KubernetesClient({ source: kubernetes, clock });
  const writer: ClusterTrustBundleWriter = {
    client,
    marks,
    anchors: new Anchors({ unnarrowed }),
    unnarrowed,
    clock,
    random,
  };
  let own: OwnTrust | undefined;

  const write = async (
    wanted: readonly TrustBundle[],
    signal: AbortSignal,
  ): Promise<readonly ForeignTrustReport[] | MeshAdapterError> => {
    try {
      return await state.applying(signal, async () => {
        // Nothing foreign is let in before it is known what is ours.
        if (!own) throw new MeshAdapterError('own-trust-domain-missing', 'the own roots are not known yet');
        return await writeForeignTrust(wanted, own, writer, signal);
      });
    } catch (error) {
      if (signal.aborted || !(error instanceof MeshAdapterError)) throw error;
      return error;
    }
  };

  return {
    kind: adapter.kind,
    scope: adapter.scope,
    watchOwnTrust: async function* (signal) {
      for await (const told of adapter.watchOwnTrust(signal)) {
        own = told;
        yield told;
      }
    },
    applyForeignTrust: async (wanted, signal, told = new Set()) => {
      const [mesh, beside] = await Promise.allSettled([
        adapter.applyForeignTrust(wanted, signal, told),
        write(wanted, signal),
      ]);
      if (mesh.status === 'rejected') throw mesh.reason;
      if (beside.status === 'rejected') throw beside.reason;
      const reports = mesh.value.map((report) => withTrouble(report, beside.value));
      return beside.value instanceof MeshAdapterError
        ? [...reports, ...notGone([...wanted, ...reports], told, beside.value, clock)]
        : reports;
    },
    onReport: (listener) => adapter.onReport(listener),
    onProgress: (listener) => adapter.onProgress(listener),
    status: () => {
      const mesh = adapter.status();
      const beside = state.status;
      return mesh.connected && !beside.connected && beside.code !== 'not-contacted' ? beside : mesh;
    },
    stop: () => adapter.stop(),
  };
}

/** A report of the mesh says what is wrong with the ClusterTrustBundle, where it has nothing to say of the mesh itself. */
function withTrouble(
  report: ForeignTrustReport,
  beside: readonly ForeignTrustReport[] | MeshAdapterError,
): ForeignTrustReport {
  if (beside instanceof MeshAdapterError) {
    const trouble = failureOf(beside);
    if (report.state === 'removed') return { ...report, ...trouble, state: 'failed' };
    return { ...report, ...(report.code === undefined && trouble), endedRootsStand: true };
  }
  if (report.code !== undefined) return report;
  const found = beside.find(({ trustDomain }) => trustDomain === report.trustDomain);
  if (found?.state !== 'refused') return report;
  const message = `its ClusterTrustBundle is refused: ${found.message ?? found.code ?? ''}`;
  return { ...report, code: 'cluster-trust-bundle-refused', message };
}

/** What the mesh holds nothing of may still stand as a ClusterTrustBundle, where these could not be written. */
function notGone(
  named: readonly { readonly trustDomain: TrustDomain }[],
  told: ReadonlySet<TrustDomain>,
  error: MeshAdapterError,
  clock: Clock,
): ForeignTrustReport[] {
  const others = new Set(named.map(({ trustDomain }) => trustDomain));
  return [...told]
    .filter((trustDomain) => !others.has(trustDomain))
    .map((trustDomain) => ({ trustDomain, state: 'failed', ...failureOf(error), at: clock.now() }));
}

function failureOf({ message }: MeshAdapterError) {
  return {
    code: 'cluster-trust-bundle-failed',
    message: `its ClusterTrustBundle could not be written: ${message}`,
  };
}
