import { isTrustDomain } from '../../spiffe/index.ts';
import type { AdapterPart } from '../contract/adapter-state.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import type { OwnTrust } from '../contract/mesh-adapter.ts';
import { ownRootsFromPem } from '../contract/own-roots.ts';
import type { OwnTrustReading } from '../contract/own-trust-reading.ts';
import type { ConfigMap, ConfigMapName } from '../kubernetes/config-map.ts';
import type { KubernetesClient } from '../kubernetes/kubernetes-client.ts';
import { type MeshConfigDocument, parseMeshConfig } from './mesh-config-document.ts';
import { watchConfigMap } from '../kubernetes/watch-config-map.ts';

const ROOT_KEY = 'root-cert.pem';
/** The key of the mesh ConfigMap that holds the mesh config. */
export const MESH_KEY = 'mesh';

/** Which objects hold what. */
export interface IstioObjects {
  readonly mesh: ConfigMapName;
  readonly roots: ConfigMapName;
}

/** The text of key `mesh`. Throws `MeshAdapterError` `mesh-config-missing`. */
export function meshTextOf(configMap: ConfigMap): string {
  const text = configMap.data?.[MESH_KEY];
  if (text !== undefined) return text;
  const { namespace, name } = configMap.metadata;
  throw new MeshAdapterError('mesh-config-missing', `ConfigMap ${namespace}/${name} lacks key "${MESH_KEY}"`);
}

/**
 * The own trust from the two ConfigMaps. Throws `MeshAdapterError`:
 * `own-roots-malformed`, `own-trust-domain-malformed`.
 */
export function ownTrustOf(config: MeshConfigDocument, roots: ConfigMap): OwnTrust {
  const { namespace, name } = roots.metadata;
  const pem = roots.data?.[ROOT_KEY];
  if (pem === undefined)
    throw new MeshAdapterError(
      'own-roots-malformed',
      `ConfigMap ${namespace}/${name} lacks key "${ROOT_KEY}"`,
    );
  return ownTrustOfRoots(config, ownRootsFromPem([pem], `ConfigMap ${namespace}/${name}`));
}

/**
 * These roots with the trust domain of the mesh config. Throws `MeshAdapterError`
 * `own-trust-domain-malformed`.
 */
export function ownTrustOfRoots(config: MeshConfigDocument, roots: OwnTrust['roots']): OwnTrust {
  const { trustDomain } = config;
  if (isTrustDomain(trustDomain)) return { trustDomain, roots };
  throw new MeshAdapterError(
    'own-trust-domain-malformed',
    `the mesh config names ${JSON.stringify(trustDomain.slice(0, 80))} as its trust domain, but that is not a trust domain`,
  );
}

/** The own trust as the two ConfigMaps have it now. Throws `MeshAdapterError`. */
export async function fetchOwnTrust(
  client: KubernetesClient,
  objects: IstioObjects,
  signal: AbortSignal,
): Promise<OwnTrust> {
  const [mesh, roots] = await Promise.all([
    client.get(objects.mesh, signal),
    client.get(objects.roots, signal),
  ]);
  return ownTrustOf(parseMeshConfig(meshTextOf(mesh)), roots);
}

/** Reports the own trust now and after each change of either ConfigMap, until the signal aborts. */
export async function readOwnTrust(
  options: OwnTrustReading & {
    readonly client: KubernetesClient;
    readonly objects: IstioObjects;
  },
): Promise<void> {
  const { objects, state, report } = options;
  let mesh: ConfigMap | undefined;
  let roots: ConfigMap | undefined;
  const look = () => {
    if (!mesh || !roots) return;
    try {
      report(ownTrustOf(parseMeshConfig(meshTextOf(mesh)), roots));
      state.contact('own-trust');
    } catch (error) {
      if (!(error instanceof MeshAdapterError)) throw error;
      // The last report stays.
      state.trouble('own-trust', error);
    }
  };
  const watch = (part: AdapterPart, target: ConfigMapName, take: (object: ConfigMap | undefined) => void) =>
    watchConfigMap({
      ...options,
      target,
      onObject: (object) => {
        take(object);
        if (object) look();
        else {
          const missing = `ConfigMap ${target.namespace}/${target.name} is not there`;
          state.trouble('own-trust', new MeshAdapterError('mesh-not-found', missing));
        }
      },
      onContact: () => state.contact(part),
      onTrouble: (error) => state.trouble(part, error),
    });
  await Promise.all([
    watch('mesh-config', objects.mesh, (object) => {
      mesh = object;
    }),
    watch('roots', objects.roots, (object) => {
      roots = object;
    }),
  ]);
}
