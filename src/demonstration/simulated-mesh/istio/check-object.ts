import { defined } from '../../../objects/index.ts';
import type { ObjectInput } from './kubernetes-object.ts';
import { KubernetesError } from './kubernetes-status.ts';
import { record, text, texts } from './read-fields.ts';
import type { ResourceType } from './resource-types.ts';

const NAME = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** Throws `KubernetesError` `Invalid` for an object an API server would not take. */
export function checkObject({ kind }: ResourceType, { metadata: { name } }: ObjectInput): void {
  if (NAME.test(name)) return;
  throw new KubernetesError(
    'Invalid',
    `${kind} ${JSON.stringify(name)} is invalid: metadata.name: a lowercase RFC 1123 subdomain is required`,
  );
}

/**
 * Reads an object of that type from a request's JSON; `path` is the URL's name, which the body must
 * match. Throws `KubernetesError`: `BadRequest`, `Invalid`.
 */
export function parseObject(
  resource: ResourceType,
  body: unknown,
  path: { readonly namespace: string; readonly name?: string },
): ObjectInput {
  const object = record(body, 'the body');
  const { group, version, kind, content } = resource;
  const apiVersion = group === '' ? version : `${group}/${version}`;
  if ((object['kind'] ?? kind) !== kind || (object['apiVersion'] ?? apiVersion) !== apiVersion) {
    throw new KubernetesError('BadRequest', `the object provided is not a ${apiVersion} ${kind}`);
  }
  const metadata = record(object['metadata'] ?? {}, 'metadata');
  const name = text(metadata['name'], 'metadata.name') ?? path.name;
  if (name === undefined)
    throw new KubernetesError('Invalid', 'metadata.name: Required value: name is required');
  const namespace = text(metadata['namespace'], 'metadata.namespace') ?? path.namespace;
  if (namespace !== path.namespace || (path.name !== undefined && name !== path.name)) {
    throw new KubernetesError('BadRequest', 'the name or namespace of the object does not match the request');
  }
  return {
    metadata: {
      name,
      namespace,
      ...defined({
        resourceVersion: text(metadata['resourceVersion'], 'metadata.resourceVersion'),
        uid: text(metadata['uid'], 'metadata.uid'),
        labels: texts(metadata['labels'], 'metadata.labels'),
        annotations: texts(metadata['annotations'], 'metadata.annotations'),
      }),
    },
    content: content(object, name),
  };
}
