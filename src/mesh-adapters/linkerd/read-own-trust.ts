import { z } from 'zod';
import { parse } from 'yaml';
import { isDnsNarrowedAnchor, isTrustDomain, parseCertificate, type Pin } from '../../spiffe/index.ts';
import { readAnswer } from '../contract/answer.ts';
import type { AdapterPart } from '../contract/adapter-state.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import type { ConfigMap, ConfigMapName } from '../kubernetes/config-map.ts';
import type { KubernetesClient } from '../kubernetes/kubernetes-client.ts';
import { watchConfigMap } from '../kubernetes/watch-config-map.ts';
import type { OwnTrust } from '../contract/mesh-adapter.ts';
import { isPinned, ownRootsFromPem } from '../contract/own-roots.ts';
import type { OwnTrustReading } from '../contract/own-trust-reading.ts';
import { ANCHORS_KEY } from './render.ts';

const CONFIG_KEY = 'values';

/** Which objects hold what of Linkerd. */
export interface LinkerdObjects {
  readonly config: ConfigMapName;
  readonly roots: ConfigMapName;
}

/** The objects of an installation in this namespace. */
export function linkerdObjects(namespace: string): LinkerdObjects {
  return {
    config: { namespace, name: 'linkerd-config' },
    roots: { namespace, name: 'linkerd-identity-trust-roots' },
  };
}

/** The content of the installation's values. */
export interface LinkerdValues {
  readonly trustDomain: string;
  /** Whether the trust anchors come from outside the installation. */
  readonly externalCa: boolean;
}

const VALUES = z.object({
  identityTrustDomain: z.string().nullish(),
  clusterDomain: z.string().nullish(),
  identity: z.object({ externalCA: z.unknown().optional() }).nullish(),
});

/**
 * The values of ConfigMap `linkerd-config`. Throws `MeshAdapterError`:
 * `mesh-config-missing`, `mesh-config-malformed`.
 */
export function parseLinkerdValues(config: ConfigMap): LinkerdValues {
  const { namespace, name } = config.metadata;
  const text = config.data?.[CONFIG_KEY];
  if (text === undefined)
    throw new MeshAdapterError(
      'mesh-config-missing',
      `ConfigMap ${namespace}/${name} lacks key "${CONFIG_KEY}"`,
    );
  let values: unknown;
  try {
    values = parse(text, { maxAliasCount: 100 });
  } catch (cause) {
    const message = `key "${CONFIG_KEY}" of ConfigMap ${namespace}/${name} is not YAML`;
    throw new MeshAdapterError('mesh-config-malformed', message, { cause });
  }
  const what = `key "${CONFIG_KEY}" of ConfigMap ${namespace}/${name}`;
  const { identityTrustDomain, clusterDomain, identity } = readAnswer(
    VALUES,
    values,
    what,
    'mesh-config-malformed',
  );
  const trustDomain = identityTrustDomain || clusterDomain || 'cluster.local';
  return { trustDomain, externalCa: identity?.externalCA === true };
}

/** The text of the anchors that proxies get. Throws `MeshAdapterError` `own-roots-malformed`. */
export function anchorsTextOf(roots: ConfigMap): string {
  const text = roots.data?.[ANCHORS_KEY];
  if (text !== undefined) return text;
  const { namespace, name } = roots.metadata;
  throw new MeshAdapterError(
    'own-roots-malformed',
    `ConfigMap ${namespace}/${name} lacks key "${ANCHORS_KEY}"`,
  );
}

/**
 * The own trust: of the anchors that proxies get, the pinned ones; without pins those that do not
 * bear our mark, for foreign ones are among them. Throws `MeshAdapterError`:
 * `own-trust-domain-malformed`, `own-roots-malformed`.
 */
export function ownTrustOf(values: LinkerdValues, roots: ConfigMap, pins: readonly Pin[]): OwnTrust {
  const { trustDomain } = values;
  if (!isTrustDomain(trustDomain)) {
    throw new MeshAdapterError(
      'own-trust-domain-malformed',
      `Linkerd names ${JSON.stringify(trustDomain.slice(0, 80))} as its trust domain, but that is not a trust domain`,
    );
  }
  const { namespace, name } = roots.metadata;
  const where = `ConfigMap ${namespace}/${name}`;
  const all = ownRootsFromPem([anchorsTextOf(roots)], where);
  const own =
    pins.length > 0
      ? all.filter((root) => pins.some((pin) => isPinned(root, pin)))
      : all.filter(({ der }) => !isDnsNarrowedAnchor(parseCertificate(der)));
  const missing = pins.find((pin) => !all.some((root) => isPinned(root, pin)));
  if (missing !== undefined)
    throw new MeshAdapterError(
      'own-roots-malformed',
      `${where} has no anchor that matches the pin ${missing}`,
    );
  if (own.length === 0)
    throw new MeshAdapterError('own-roots-malformed', `${where} has no anchor of the mesh's own`);
  return { trustDomain, roots: own };
}

/** The own trust as the two ConfigMaps have it now. Throws `MeshAdapterError`. */
export async function fetchOwnTrust(
  client: KubernetesClient,
  objects: LinkerdObjects,
  pins: readonly Pin[],
  signal: AbortSignal,
): Promise<OwnTrust> {
  const [config, roots] = await Promise.all([
    client.get(objects.config, signal),
    client.get(objects.roots, signal),
  ]);
  return ownTrustOf(parseLinkerdValues(config), roots, pins);
}

/** Reports the own trust now and after each change of either ConfigMap, until the signal aborts. */
export async function readOwnTrust(
  options: OwnTrustReading & {
    readonly client: KubernetesClient;
    readonly objects: LinkerdObjects;
    readonly pins: readonly Pin[];
  },
): Promise<void> {
  const { objects, pins, state, report } = options;
  const found = new Map<AdapterPart, ConfigMap>();
  let anchors: string | undefined;
  const look = () => {
    const [config, roots] = [found.get('mesh-config'), found.get('roots')];
    if (!config || !roots) return;
    try {
      report(ownTrustOf(parseLinkerdValues(config), roots, pins));
      state.contact('own-trust');
    } catch (error) {
      if (!(error instanceof MeshAdapterError)) throw error;
      // The last report stays.
      state.trouble('own-trust', error);
    }
  };
  /** Other anchors than before are what trust-manager made of its sources, ours among them. */
  const noteAnchors = (text: string | undefined) => {
    if (anchors !== undefined && text !== anchors) state.progress();
    anchors = text;
  };
  const watch = (part: AdapterPart, target: ConfigMapName) =>
    watchConfigMap({
      ...options,
      target,
      onObject: (object) => {
        if (object) {
          found.set(part, object);
          look();
          if (part === 'roots') noteAnchors(object.data?.[ANCHORS_KEY]);
        } else {
          found.delete(part);
          const missing = `ConfigMap ${target.namespace}/${target.name} is not there`;
          state.trouble('own-trust', new MeshAdapterError('mesh-not-found', missing));
        }
      },
      onContact: () => state.contact(part),
      onTrouble: (error) => state.trouble(part, error),
    });
  await Promise.all([watch('mesh-config', objects.config), watch('roots', objects.roots)]);
}
