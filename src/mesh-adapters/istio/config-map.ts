import { MeshAdapterError } from '../errors.ts';

/** A ConfigMap as the API server gave it; everything we do not know of is kept for writing it back. */
export interface ConfigMap {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly resourceVersion: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly [other: string]: unknown;
  };
  readonly data?: Readonly<Record<string, string>>;
  readonly [other: string]: unknown;
}

/** A ConfigMap from JSON. Throws `MeshAdapterError` `mesh-answer-malformed`. */
export function parseConfigMap(value: unknown): ConfigMap {
  const object = record(value, 'the object');
  const metadata = record(object['metadata'], 'metadata');
  const { name, namespace, resourceVersion, annotations } = metadata as Record<string, unknown>;
  const { data } = object as Record<string, unknown>;
  if (typeof name !== 'string' || typeof namespace !== 'string' || typeof resourceVersion !== 'string')
    throw malformed('metadata does not name the object and its version');
  return {
    ...object,
    metadata: {
      ...metadata,
      name,
      namespace,
      resourceVersion,
      ...(annotations === undefined || annotations === null
        ? {}
        : { annotations: texts(annotations, 'metadata.annotations') }),
    },
    ...(data === undefined || data === null ? {} : { data: texts(data, 'data') }),
  };
}

/** The ConfigMap with another value under `key` and under one annotation; undefined takes the annotation away. */
export function withChanges(
  configMap: ConfigMap,
  changes: {
    readonly key: string;
    readonly value: string;
    readonly annotation: string;
    readonly said: string | undefined;
  },
): ConfigMap {
  const { annotations: before, ...metadata } = configMap.metadata;
  const { [changes.annotation]: _, ...others } = before ?? {};
  const annotations = changes.said === undefined ? others : { ...before, [changes.annotation]: changes.said };
  return {
    ...configMap,
    metadata: {
      ...metadata,
      ...(Object.keys(annotations).length > 0 && { annotations }),
    } as ConfigMap['metadata'],
    data: { ...configMap.data, [changes.key]: changes.value },
  };
}

function record(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw malformed(`${what} is no object`);
}

function texts(value: unknown, what: string): Readonly<Record<string, string>> {
  const entries = Object.entries(record(value, what));
  for (const [key, each] of entries)
    if (typeof each !== 'string') throw malformed(`${what}[${JSON.stringify(key)}] is no string`);
  return Object.fromEntries(entries.map(([key, each]) => [key, String(each)]));
}

function malformed(what: string): MeshAdapterError {
  return new MeshAdapterError('mesh-answer-malformed', `a ConfigMap could not be read: ${what}`);
}
