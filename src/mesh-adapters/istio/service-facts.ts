import { MeshAdapterError } from '../contract/errors.ts';
import type { KubernetesClient } from '../kubernetes/kubernetes-client.ts';
import type { KubernetesObject } from '../kubernetes/kubernetes-object.ts';
import { isOwned, type OwnedKind } from '../kubernetes/owned-object.ts';
import { collectionIn } from '../kubernetes/owned-objects.ts';
import { type MeshObject, meshObjectOf } from './fields.ts';
import {
  DESTINATION_RULE,
  PEER_AUTHENTICATION,
  POD,
  SERVICE,
  SERVICE_ENTRY,
  WORKLOAD_ENTRY,
} from './service-kinds.ts';

/** What the cluster runs, as far as its own services show in it. */
export interface OwnServiceFacts {
  readonly services: readonly MeshObject[];
  readonly pods: readonly KubernetesObject[];
  readonly serviceEntries: readonly MeshObject[];
  readonly workloadEntries: readonly MeshObject[];
  readonly peerAuthentications: readonly MeshObject[];
}

/** What others have in the cluster that the name of an import can clash with. */
export interface HostFacts {
  readonly services: readonly MeshObject[];
  readonly serviceEntries: readonly MeshObject[];
  readonly destinationRules: readonly MeshObject[];
}

/** Throws `MeshAdapterError`. */
export async function readOwnServiceFacts(
  client: KubernetesClient,
  signal: AbortSignal,
): Promise<OwnServiceFacts> {
  const [services, pods, serviceEntries, workloadEntries, peerAuthentications] = await Promise.all([
    listAll(client, SERVICE, signal),
    listAll(client, POD, signal),
    listAll(client, SERVICE_ENTRY, signal),
    listAll(client, WORKLOAD_ENTRY, signal),
    listAll(client, PEER_AUTHENTICATION, signal),
  ]);
  return {
    services: services.map(meshObjectOf),
    pods,
    serviceEntries: ofOthers(serviceEntries),
    workloadEntries: workloadEntries.map(meshObjectOf),
    peerAuthentications: peerAuthentications.map(meshObjectOf),
  };
}

/** Throws `MeshAdapterError`. */
export async function readHostFacts(client: KubernetesClient, signal: AbortSignal): Promise<HostFacts> {
  const [services, serviceEntries, destinationRules] = await Promise.all([
    listAll(client, SERVICE, signal),
    listAll(client, SERVICE_ENTRY, signal),
    listAll(client, DESTINATION_RULE, signal),
  ]);
  return {
    services: services.map(meshObjectOf),
    serviceEntries: ofOthers(serviceEntries),
    destinationRules: ofOthers(destinationRules),
  };
}

function ofOthers(objects: readonly KubernetesObject[]): MeshObject[] {
  return objects.filter((each) => !isOwned(each)).map(meshObjectOf);
}

/** All objects of a kind in the cluster; none where the API server does not serve the kind. */
async function listAll(
  client: KubernetesClient,
  kind: OwnedKind,
  signal: AbortSignal,
): Promise<readonly KubernetesObject[]> {
  for (const version of kind.versions) {
    try {
      return (await client.listObjects(collectionIn(kind, version), {}, signal)).items;
    } catch (error) {
      if (!(error instanceof MeshAdapterError && error.code === 'mesh-not-found')) throw error;
    }
  }
  return [];
}
