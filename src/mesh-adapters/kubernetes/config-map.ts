import { z } from 'zod';
import { defined } from '../../objects/index.ts';
import { readAnswer } from '../contract/answer.ts';
import {
  collectionOf,
  type KubernetesCollection,
  type KubernetesObject,
  parseKubernetesObject,
} from './kubernetes-object.ts';

const KIND = 'ConfigMap';
const CONFIG_MAP = z.object({
  metadata: z.object({ namespace: z.string() }),
  data: z.record(z.string(), z.string()).nullish(),
});

export interface ConfigMapName {
  readonly namespace: string;
  readonly name: string;
}

/** A ConfigMap from the API server. Fields that we do not know are kept for writing it back. */
export interface ConfigMap extends KubernetesObject {
  readonly metadata: KubernetesObject['metadata'] & { readonly namespace: string };
  readonly data?: Readonly<Record<string, string>>;
}

/** The ConfigMaps of one namespace. */
export function configMapsOf(namespace: string): KubernetesCollection {
  return collectionOf({ kind: KIND, api: 'api/v1', plural: 'configmaps', namespace });
}

/** A ConfigMap from JSON. Throws `MeshAdapterError` `mesh-answer-malformed`. */
export function parseConfigMap(value: unknown): ConfigMap {
  const object = parseKubernetesObject(value, KIND);
  const { data: _, ...rest } = object;
  const found = readAnswer(CONFIG_MAP, object, `a ${KIND}`);
  const { namespace } = found.metadata;
  return {
    ...rest,
    metadata: { ...object.metadata, namespace },
    ...defined({ data: found.data ?? undefined }),
  };
}

/**
 * The ConfigMap with another value under `key` and under one annotation; undefined takes the
 * annotation away.
 */
export function withChanges(
  configMap: ConfigMap,
  changes: {
    readonly key: string;
    readonly value: string;
    readonly annotation: string;
    readonly annotationValue: string | undefined;
  },
): ConfigMap {
  const { annotations: before, ...metadata } = configMap.metadata;
  const { [changes.annotation]: _, ...others } = before ?? {};
  const annotations =
    changes.annotationValue === undefined
      ? others
      : { ...before, [changes.annotation]: changes.annotationValue };
  return {
    ...configMap,
    metadata: {
      ...metadata,
      ...(Object.keys(annotations).length > 0 && { annotations }),
    } as ConfigMap['metadata'],
    data: { ...configMap.data, [changes.key]: changes.value },
  };
}
