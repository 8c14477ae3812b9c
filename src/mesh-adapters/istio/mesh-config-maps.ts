import { MeshAdapterError } from '../contract/errors.ts';
import {
  type ConfigMap,
  type ConfigMapName,
  configMapsOf,
  parseConfigMap,
} from '../kubernetes/config-map.ts';
import type { KubernetesClient } from '../kubernetes/kubernetes-client.ts';
import { parseMeshConfig } from './mesh-config-document.ts';
import type { ReportNote } from './plan.ts';
import { MESH_KEY } from './read-own-trust.ts';
import { isRevisionConfigMap, spireTemplatesIn } from './revisions.ts';

/** The mesh ConfigMaps of an installation, and what else of it is worth knowing. */
export interface MeshConfigMaps {
  /** The configured one. */
  readonly first: ConfigMap;
  /** Those of the other revisions. */
  readonly others: readonly ConfigMap[];
  readonly notes: readonly ReportNote[];
}

/**
 * Reads the mesh ConfigMap of every revision, or only the configured one. An agent without the
 * right to list the namespace uses the configured one and reports that. Throws `MeshAdapterError`.
 * See docs/meshes/istio.md.
 */
export async function meshConfigMaps(
  client: KubernetesClient,
  configured: ConfigMapName,
  { all, signal }: { readonly all: boolean; readonly signal: AbortSignal },
): Promise<MeshConfigMaps> {
  if (!all) return { first: await client.get(configured, signal), others: [], notes: [] };
  let found: readonly ConfigMap[];
  try {
    const { items } = await client.listObjects(configMapsOf(configured.namespace), {}, signal);
    found = items.map(parseConfigMap);
  } catch (error) {
    if (!(error instanceof MeshAdapterError) || error.code !== 'mesh-forbidden') throw error;
    const message = `the agent lacks the right to list the ConfigMaps of ${configured.namespace}, so it writes only the revision of ${configured.name}; without other revisions, set mesh.revisions: one`;
    return {
      first: await client.get(configured, signal),
      others: [],
      notes: [{ code: 'revisions-unseen', message }],
    };
  }
  const first = found.find(({ metadata }) => metadata.name === configured.name);
  if (!first)
    throw new MeshAdapterError(
      'mesh-not-found',
      `ConfigMap ${configured.namespace}/${configured.name} is not there`,
    );
  const others = found.filter((each) => each !== first && isRevisionConfigMap(viewOf(each)));
  return { first, others, notes: [...spireNotes(found), ...sharedNotes(found, [first, ...others])] };
}

function viewOf({ metadata, data = {} }: ConfigMap) {
  return { name: metadata.name, labels: metadata.labels ?? {}, data };
}

function spireNotes(found: readonly ConfigMap[]): ReportNote[] {
  return spireTemplatesIn(found.map(viewOf)).map((name) => ({
    code: 'spire-integrated',
    message: `ConfigMap ${name} gives sidecars the socket of SPIRE; such workloads take no roots from Istio: run the agent next to SPIRE (mesh.kind: spire)`,
  }));
}

/** A list in the mesh ConfigMap replaces that of a ConfigMap that SHARED_MESH_CONFIG names. */
function sharedNotes(found: readonly ConfigMap[], ours: readonly ConfigMap[]): ReportNote[] {
  return found
    .filter((each) => !ours.includes(each) && listsRoots(each.data?.[MESH_KEY]))
    .map(({ metadata }) => ({
      code: 'shared-mesh-config',
      message: `ConfigMap ${metadata.name} lists caCertificates too; where SHARED_MESH_CONFIG of istiod names it, the list of the mesh ConfigMap replaces that one`,
    }));
}

function listsRoots(text: string | undefined): boolean {
  if (text === undefined) return false;
  try {
    return (parseMeshConfig(text).list?.entries.length ?? 0) > 0;
  } catch (error) {
    if (error instanceof MeshAdapterError) return false;
    throw error;
  }
}
