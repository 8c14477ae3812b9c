import { defined } from '../../objects/index.ts';
import { MeshAdapterError } from '../contract/errors.ts';

/** Any object from the API server. Fields that we do not know are kept for writing it back. */
export interface KubernetesObject {
  readonly metadata: {
    readonly name: string;
    /** Absent for what belongs to the whole cluster. */
    readonly namespace?: string;
    readonly resourceVersion: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly [other: string]: unknown;
  };
  readonly [other: string]: unknown;
}

/** The objects of one kind in one namespace, or of the whole cluster. */
export interface KubernetesCollection {
  /** The name of one such object in messages, such as `ConfigMap`. */
  readonly kind: string;
  /** Such as `/api/v1/namespaces/linkerd/configmaps`. */
  readonly path: string;
}

/**
 * The collection of a kind. `api` is such as `api/v1` or `apis/kuma.io/v1alpha1`; without a
 * namespace that of the whole cluster.
 */
export function collectionOf(options: {
  readonly kind: string;
  readonly api: string;
  readonly plural: string;
  readonly namespace?: string;
}): KubernetesCollection {
  const { kind, api, plural, namespace } = options;
  const within = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return { kind, path: `/${api}${within}/${plural}` };
}

/**
 * Reads an object from JSON; checks only the metadata. Throws `MeshAdapterError`
 * `mesh-answer-malformed`.
 */
export function parseKubernetesObject(value: unknown, kind: string): KubernetesObject {
  const object = record(value, kind, 'the object');
  const metadata = record(object['metadata'], kind, 'metadata');
  const { name, namespace, resourceVersion, labels, annotations } = metadata;
  const placed = namespace === undefined || typeof namespace === 'string';
  if (typeof name !== 'string' || !placed || typeof resourceVersion !== 'string')
    throw malformed(kind, 'metadata does not name the object and its version');
  return {
    ...object,
    metadata: {
      ...metadata,
      name,
      ...defined({ namespace }),
      resourceVersion,
      ...textsIfThere('labels', labels, kind),
      ...textsIfThere('annotations', annotations, kind),
    },
  };
}

/**
 * A mapping of texts. Throws `MeshAdapterError` `mesh-answer-malformed`; `what` names the field.
 */
export function textsOf(value: unknown, kind: string, what: string): Readonly<Record<string, string>> {
  const entries = Object.entries(record(value, kind, what));
  for (const [key, each] of entries)
    if (typeof each !== 'string') throw malformed(kind, `${what}[${JSON.stringify(key)}] is not a string`);
  return Object.fromEntries(entries.map(([key, each]) => [key, String(each)]));
}

function textsIfThere(member: 'labels' | 'annotations', value: unknown, kind: string) {
  return value === undefined || value === null
    ? {}
    : { [member]: textsOf(value, kind, `metadata.${member}`) };
}

function record(value: unknown, kind: string, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw malformed(kind, `${what} is not an object`);
}

function malformed(kind: string, what: string): MeshAdapterError {
  return new MeshAdapterError('mesh-answer-malformed', `a ${kind} could not be read: ${what}`);
}
