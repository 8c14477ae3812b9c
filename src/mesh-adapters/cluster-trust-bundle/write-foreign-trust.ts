import type { Clock, Random } from '../../platform/index.ts';
import type { TrustBundle, TrustDomain } from '../../spiffe/index.ts';
import { refuseConstrained } from '../contract/admission.ts';
import type { Anchors } from '../contract/anchors.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import { readPresentTrust as readObjects } from '../kubernetes/foreign-objects.ts';
import { holdForeignObjects } from '../kubernetes/hold-foreign-objects.ts';
import type { KubernetesClient } from '../kubernetes/kubernetes-client.ts';
import type { ForeignTrustReport, OwnTrust, PresentTrust } from '../contract/mesh-adapter.ts';
import { OBJECT_LIMITS } from '../contract/place-peers.ts';
import { retryConflicts } from '../contract/retry-conflicts.ts';
import {
  API_VERSIONS,
  type ApiVersion,
  type ClusterTrustBundleMarks,
  clusterTrustBundlePlace,
} from './render.ts';

/** Verifiers read each ClusterTrustBundle separately, so all of them together have no limit. */
const LIMITS = { ...OBJECT_LIMITS, bytesOfAll: Number.POSITIVE_INFINITY };

const UNNARROWED = {
  code: 'root-not-narrowed',
  message: 'every pod that mounts this ClusterTrustBundle lets the root speak for every identity',
};

export interface ClusterTrustBundleWriter {
  readonly client: KubernetesClient;
  readonly marks: ClusterTrustBundleMarks;
  readonly anchors: Anchors;
  readonly unnarrowed: boolean;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Makes the cluster hold one ClusterTrustBundle of ours for each of these bundles and no other of
 * ours. Throws `MeshAdapterError`.
 */
export async function writeForeignTrust(
  wanted: readonly TrustBundle[],
  own: OwnTrust,
  writer: ClusterTrustBundleWriter,
  signal: AbortSignal,
  kept: ReadonlySet<TrustDomain>,
  noteTrouble: (error: MeshAdapterError) => void,
): Promise<ForeignTrustReport[]> {
  const { client, marks, anchors, unnarrowed, clock } = writer;
  const version = await servedVersion(client, marks, signal);
  return await retryConflicts(
    (isLastTry) =>
      holdForeignObjects(wanted, {
        client,
        place: clusterTrustBundlePlace(version, marks),
        anchors,
        own,
        judge: (admission) => (unnarrowed ? admission : refuseConstrained(admission)),
        // The API does not report what pods have mounted.
        effect: async () => ({ stateOf: () => 'written', notesOf: () => (unnarrowed ? [UNNARROWED] : []) }),
        kept,
        limits: LIMITS,
        writing: { isLastTry, noteTrouble },
        now: clock.now(),
        signal,
      }),
    { ...writer, signal },
  );
}

/**
 * The ClusterTrustBundles of ours; a cluster that does not serve such objects has none. Throws
 * `MeshAdapterError`.
 */
export async function readPresentTrust(
  { client, marks }: ClusterTrustBundleWriter,
  signal: AbortSignal,
): Promise<readonly PresentTrust[]> {
  try {
    const version = await servedVersion(client, marks, signal);
    return await readObjects(client, clusterTrustBundlePlace(version, marks), signal);
  } catch (error) {
    if (error instanceof MeshAdapterError && error.code === 'mesh-not-found') return [];
    throw error;
  }
}

/** Asked before every comparison, because the cluster may have been upgraded. */
async function servedVersion(
  client: KubernetesClient,
  marks: ClusterTrustBundleMarks,
  signal: AbortSignal,
): Promise<ApiVersion> {
  for (const version of API_VERSIONS) {
    try {
      const { collection } = clusterTrustBundlePlace(version, marks);
      await client.listObjects(collection, { fieldSelector: 'metadata.name=federate' }, signal);
      return version;
    } catch (error) {
      if (!(error instanceof MeshAdapterError && error.code === 'mesh-not-found')) throw error;
    }
  }
  throw new MeshAdapterError(
    'mesh-not-found',
    `the API server serves ClusterTrustBundles in none of ${API_VERSIONS.join(', ')}; check that the feature is turned on`,
  );
}
