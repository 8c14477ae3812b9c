import type { Clock, Log, Random } from '../../platform/index.ts';
import type { TrustBundle, TrustDomain } from '../../spiffe/index.ts';
import { AdapterState } from '../contract/adapter-state.ts';
import { Anchors } from '../contract/anchors.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import type { KubernetesSource } from '../kubernetes/kubernetes-access.ts';
import { KubernetesClient } from '../kubernetes/kubernetes-client.ts';
import type { ForeignTrustReport, MeshAdapter, OwnTrust, PresentTrust } from '../contract/mesh-adapter.ts';
import { withMissing } from '../contract/second-look.ts';
import type { ClusterTrustBundleMarks } from './render.ts';
import { type ClusterTrustBundleWriter, readPresentTrust, writeForeignTrust } from './write-foreign-trust.ts';

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
 * Wraps the adapter of any mesh and writes the same foreign trust as ClusterTrustBundles too, one
 * for each trust domain, as narrowed anchors. The two writes are independent: a mesh that is away
 * does not delay a revocation in the ClusterTrustBundles. Trouble with a ClusterTrustBundle appears
 * in the mesh's report. A peer counts as gone when both places dropped it. See
 * docs/meshes/cluster-trust-bundles.md.
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
    kept: ReadonlySet<TrustDomain>,
  ): Promise<readonly ForeignTrustReport[] | MeshAdapterError> => {
    try {
      return await state.applying(signal, async (_signal, noteTrouble) => {
        // Admit nothing foreign before the own trust is known.
        if (!own) throw new MeshAdapterError('own-trust-domain-missing', 'the own roots are not known yet');
        return await writeForeignTrust(wanted, own, writer, signal, kept, noteTrouble);
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
      for await (const latest of adapter.watchOwnTrust(signal)) {
        own = own && latest.isConfirmed === false ? withMissing(latest, own) : latest;
        yield latest;
      }
    },
    presentTrust: async (signal) => {
      const both = await Promise.all([adapter.presentTrust(signal), readPresentTrust(writer, signal)]);
      return [...Map.groupBy(both.flat(), ({ trustDomain }) => trustDomain).values()].map(joined);
    },
    applyForeignTrust: async (wanted, signal, reported = new Set(), kept = new Set()) => {
      const [mesh, bundles] = await Promise.allSettled([
        adapter.applyForeignTrust(wanted, signal, reported, kept),
        write(wanted, signal, kept),
      ]);
      if (mesh.status === 'rejected') throw mesh.reason;
      if (bundles.status === 'rejected') throw bundles.reason;
      if (!(bundles.value instanceof MeshAdapterError)) return withFaults(mesh.value, bundles.value);
      const trouble = failureOf(bundles.value);
      const reports = mesh.value.map((report) => withTrouble(report, trouble));
      return [...reports, ...notGone([...wanted, ...reports], reported, trouble, clock)];
    },
    onReport: (listener) => adapter.onReport(listener),
    onProgress: (listener) => adapter.onProgress(listener),
    status: () => {
      const mesh = adapter.status();
      const bundles = state.status;
      return mesh.connected && !bundles.connected && bundles.code !== 'not-contacted' ? bundles : mesh;
    },
    stop: () => adapter.stop(),
  };
}

/** Joins what two places hold of one trust domain. */
function joined(places: readonly PresentTrust[]): PresentTrust {
  const [first] = places;
  if (!first) throw new TypeError('unreachable: a group has a member');
  const roots = places.flatMap((each) => each.roots ?? []);
  const unique = [...new Map(roots.map((root) => [root.keyFingerprint, root])).values()];
  return {
    trustDomain: first.trustDomain,
    ...(roots.length > 0 && { roots: unique }),
    where: places.map(({ where }) => where).join(', '),
  };
}

/**
 * Returns the reports of the mesh. Where the mesh has no trouble of its own, a report carries the
 * trouble of the ClusterTrustBundle. A peer is gone when both places dropped it.
 */
function withFaults(
  reports: readonly ForeignTrustReport[],
  bundles: readonly ForeignTrustReport[],
): readonly ForeignTrustReport[] {
  const faults = new Map(bundles.filter(hasFault).map((report) => [report.trustDomain, report]));
  const both = reports.map((report) => {
    const fault = faults.get(report.trustDomain);
    if (!fault) return report;
    faults.delete(report.trustDomain);
    const trouble = troubleOf(fault);
    if (report.state === 'removed')
      return { ...report, ...trouble, state: 'failed' as const, endedRootsStand: true };
    const stand = fault.endedRootsStand === true && { endedRootsStand: true };
    return { ...report, ...(report.code === undefined && trouble), ...stand };
  });
  return [...both, ...[...faults.values()].map((fault) => ({ ...fault, ...troubleOf(fault) }))];
}

function hasFault({ state }: ForeignTrustReport): boolean {
  return state === 'refused' || state === 'failed';
}

function troubleOf({ state, code, message = code ?? '' }: ForeignTrustReport): Trouble {
  return state === 'refused'
    ? { code: 'cluster-trust-bundle-refused', message: `its ClusterTrustBundle is refused: ${message}` }
    : {
        code: 'cluster-trust-bundle-failed',
        message: `its ClusterTrustBundle could not be written: ${message}`,
      };
}

interface Trouble {
  readonly code: string;
  readonly message: string;
}

/**
 * Returns the same reports where the ClusterTrustBundles could not be written: ended trust may
 * still stand there.
 */
function withTrouble(report: ForeignTrustReport, trouble: Trouble): ForeignTrustReport {
  if (report.state === 'removed') return { ...report, ...trouble, state: 'failed' };
  return { ...report, ...(report.code === undefined && trouble), endedRootsStand: true };
}

/**
 * Reports trust that only a ClusterTrustBundle may still hold, because those could not be written.
 */
function notGone(
  named: readonly { readonly trustDomain: TrustDomain }[],
  reported: ReadonlySet<TrustDomain>,
  trouble: Trouble,
  clock: Clock,
): ForeignTrustReport[] {
  const others = new Set(named.map(({ trustDomain }) => trustDomain));
  return [...reported]
    .filter((trustDomain) => !others.has(trustDomain))
    .map((trustDomain) => ({ trustDomain, state: 'failed', ...trouble, at: clock.now() }));
}

function failureOf({ message }: MeshAdapterError): Trouble {
  return {
    code: 'cluster-trust-bundle-failed',
    message: `its ClusterTrustBundle could not be written: ${message}`,
  };
}
