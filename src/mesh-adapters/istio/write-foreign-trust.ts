import type { Clock } from '../../platform/index.ts';
import { isTrustDomain, type TrustBundle, type TrustDomain } from '../../spiffe/index.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import { type ConfigMap, withChanges } from '../kubernetes/config-map.ts';
import type { KubernetesClient } from '../kubernetes/kubernetes-client.ts';
import type { ForeignTrustReport, PresentTrust } from '../contract/mesh-adapter.ts';
import { presentOfAnchors } from '../contract/present-anchors.ts';
import type { TrustComparison } from '../contract/peer-writes.ts';
import type { Anchor, Anchors } from '../contract/anchors.ts';
import { meshConfigMaps } from './mesh-config-maps.ts';
import { OWN_ENTRIES_ANNOTATION } from './own-entries.ts';
import { ownAnchorsIn, planForeignTrust, type RememberedConfig } from './plan.ts';
import { type IstioObjects, MESH_KEY, meshTextOf, ownTrustOf } from './read-own-trust.ts';
import { roomInConfigMap } from './room.ts';

/** Tries to write one ConfigMap before everything is read again. */
const QUICK_TRIES = 5;

export interface IstioWriter {
  readonly client: KubernetesClient;
  readonly objects: IstioObjects;
  /** Also the mesh ConfigMaps of the other revisions. */
  readonly allRevisions: boolean;
  readonly anchors: Anchors;
  readonly unnarrowed: boolean;
  readonly clock: Clock;
}

/**
 * Makes `caCertificates` of every revision hold exactly the anchors of these bundles, next to
 * entries of others. Each object is replaced by its version; after a conflict everything is read
 * again. Writes nothing where nothing changes. Where only a revision other than the configured one
 * fails, that is reported and the rest is done. Throws `MeshAdapterError`.
 */
export async function writeForeignTrust(
  { wanted, signal, reported, kept }: TrustComparison,
  writer: IstioWriter,
): Promise<ForeignTrustReport[]> {
  const { client, objects, anchors, unnarrowed, clock } = writer;
  const [{ first, others, notes }, roots] = await Promise.all([
    meshConfigMaps(client, objects.mesh, { all: writer.allRevisions, signal }),
    client.get(objects.roots, signal),
  ]);
  const now = clock.now();
  // The same anchor in all revisions: each has its own certificate of an anchor otherwise.
  const elsewhere = [first, ...others].flatMap((mesh) => readableOwnAnchors(rememberedOf(mesh)) ?? []);
  const chosen: Anchor[] = [];
  const write = async (mesh: ConfigMap, tries = 1): Promise<readonly ForeignTrustReport[]> => {
    const plan = await planForeignTrust(wanted, rememberedOf(mesh), {
      own: (config) => ownTrustOf(config, roots),
      anchors,
      elsewhere,
      unnarrowed,
      room: roomInConfigMap(mesh),
      notes,
      reported,
      kept,
      now,
    });
    try {
      if (plan.change) await client.replace(withPlan(mesh, plan.change), signal);
    } catch (error) {
      const conflict = error instanceof MeshAdapterError && error.code === 'mesh-conflict';
      if (!conflict || tries === QUICK_TRIES) throw error;
      // Against a writer in a loop, only a retry without a pause and without reading the rest first
      // can win.
      return await write(await client.get(mesh.metadata, signal), tries + 1);
    }
    chosen.push(...plan.chosen);
    return plan.reports;
  };
  const all = [await write(first)];
  for (const mesh of others) {
    try {
      all.push(await write(mesh));
    } catch (error) {
      if (!(error instanceof MeshAdapterError) || error.code === 'mesh-conflict') throw error;
      const message = `revision ConfigMap ${mesh.metadata.name}: ${error.message}`;
      all.push(
        inRevision(mesh, wanted, reported).map((trustDomain) => ({
          trustDomain,
          state: 'failed',
          code: error.code,
          message,
          at: now,
        })),
      );
    }
  }
  anchors.prune(chosen);
  return worstOf(all);
}

/** Reads what `caCertificates` of any revision holds with our mark. Throws `MeshAdapterError`. */
export async function readPresentTrust(
  { client, objects, allRevisions: all }: IstioWriter,
  signal: AbortSignal,
): Promise<readonly PresentTrust[]> {
  const { first, others } = await meshConfigMaps(client, objects.mesh, { all, signal });
  const anchors = [first, ...others].flatMap((mesh) => readableOwnAnchors(rememberedOf(mesh)) ?? []);
  const { namespace } = first.metadata;
  return presentOfAnchors(anchors, `caCertificates of the mesh config in namespace ${namespace}`);
}

function rememberedOf(mesh: ConfigMap): RememberedConfig {
  return { text: meshTextOf(mesh), memory: mesh.metadata.annotations?.[OWN_ENTRIES_ANNOTATION] };
}

function withPlan(mesh: ConfigMap, { text, memory }: RememberedConfig): ConfigMap {
  return withChanges(mesh, {
    key: MESH_KEY,
    value: text,
    annotation: OWN_ENTRIES_ANNOTATION,
    annotationValue: memory,
  });
}

/** A config that cannot be read is reported in its turn. */
function readableOwnAnchors(config: RememberedConfig) {
  try {
    return ownAnchorsIn(config);
  } catch (error) {
    if (error instanceof MeshAdapterError) return undefined;
    throw error;
  }
}

/**
 * Trust domains that depend on a revision that was not written: all wanted ones, and those to be
 * removed that have anchors there, or may have.
 */
function inRevision(
  mesh: ConfigMap,
  wanted: readonly TrustBundle[],
  reported: ReadonlySet<TrustDomain>,
): readonly TrustDomain[] {
  const there = readableOwnAnchors(rememberedOf(mesh))?.map(({ trustDomain }) => trustDomain) ?? [
    ...reported,
  ];
  return [
    ...new Set([
      ...wanted.map(({ trustDomain }) => trustDomain),
      ...there.filter((each) => isTrustDomain(each)),
    ]),
  ];
}

/** One report for each trust domain: the one of the revision with the worst state. */
function worstOf(all: readonly (readonly ForeignTrustReport[])[]): ForeignTrustReport[] {
  const worst = new Map<TrustDomain, ForeignTrustReport>();
  for (const report of all.flat()) {
    const before = worst.get(report.trustDomain);
    if (!before || rankOf(report) < rankOf(before)) worst.set(report.trustDomain, report);
  }
  return [...worst.values()];
}

function rankOf({ state, code }: ForeignTrustReport): number {
  if (state === 'refused') return 0;
  if (state === 'failed') return 1;
  return code === undefined ? 3 : 2;
}
