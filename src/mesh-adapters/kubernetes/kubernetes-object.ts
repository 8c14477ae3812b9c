import { z } from 'zod';
import { defined } from '../../objects/index.ts';
import { readAnswer } from '../contract/answer.ts';

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

const texts = z.record(z.string(), z.string()).nullish();
const OBJECT = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string().optional(),
    resourceVersion: z.string(),
    labels: texts,
    annotations: texts,
  }),
});

/**
 * Reads an object from JSON; checks only the metadata. Throws `MeshAdapterError`
 * `mesh-answer-malformed`.
 */
export function parseKubernetesObject(value: unknown, kind: string): KubernetesObject {
  const object = readAnswer(OBJECT, value, `a ${kind}`);
  const { namespace, labels, annotations, ...metadata } = object.metadata;
  const known = defined({ namespace, labels: labels ?? undefined, annotations: annotations ?? undefined });
  return { ...object, metadata: { ...metadata, ...known } };
}
