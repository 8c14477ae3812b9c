import { type Fields, fieldsOf } from '../contract/fields.ts';
import type { KubernetesObject } from '../kubernetes/kubernetes-object.ts';

/** An object of the Kubernetes API, as far as an examination looks at every kind. */
export interface MeshObject {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: Fields;
  readonly data: Readonly<Record<string, string>>;
}

/**
 * Reads fields that exist and treats missing ones as empty, because an examination must not fail on
 * a malformed object.
 */
export function meshObjectOf({ metadata, ...object }: KubernetesObject): MeshObject {
  const { name, namespace = '', labels = {}, annotations = {} } = metadata;
  return {
    name,
    namespace,
    labels,
    annotations,
    spec: fieldsOf(object['spec']),
    data: textsByKey(object['data']),
  };
}

/** The texts of a mapping; none for anything else. */
export function textsByKey(value: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(fieldsOf(value)).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    ),
  );
}
