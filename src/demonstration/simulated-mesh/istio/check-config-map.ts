import { isMapping } from '../../../objects/index.ts';
import type { ConfigMapInput } from './kubernetes-object.ts';
import { KubernetesError } from './kubernetes-status.ts';

const MAX_DATA_BYTES = 1024 * 1024;
const NAME = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const DATA_KEY = /^[-._a-zA-Z0-9]{1,253}$/;

/** Throws `KubernetesError` `Invalid` for an object an API server would not take. */
export function checkConfigMap(input: ConfigMapInput): void {
  const { name } = input.metadata;
  const invalid = (what: string) =>
    new KubernetesError('Invalid', `ConfigMap ${JSON.stringify(name)} is invalid: ${what}`);
  if (!NAME.test(name)) throw invalid('metadata.name: a lowercase RFC 1123 subdomain is required');
  let bytes = 0;
  for (const [key, value] of [
    ...Object.entries(input.data ?? {}),
    ...Object.entries(input.binaryData ?? {}),
  ]) {
    if (!DATA_KEY.test(key))
      throw invalid(`data[${key}]: a valid config key consists of alphanumeric characters, "-", "_" or "."`);
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (bytes > MAX_DATA_BYTES) throw invalid(`[]: Too long: may not be more than ${MAX_DATA_BYTES} bytes`);
}

/**
 * Reads a ConfigMap from a request's JSON; `path` is the URL's name, which the body must match.
 * Throws `KubernetesError`: `BadRequest`, `Invalid`.
 */
export function parseConfigMap(
  body: unknown,
  path: { readonly namespace: string; readonly name?: string },
): ConfigMapInput {
  const object = record(body, 'the body');
  if ((object['kind'] ?? 'ConfigMap') !== 'ConfigMap' || (object['apiVersion'] ?? 'v1') !== 'v1') {
    throw new KubernetesError('BadRequest', 'the object provided is not a v1 ConfigMap');
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
      ...given('resourceVersion', text(metadata['resourceVersion'], 'metadata.resourceVersion')),
      ...given('uid', text(metadata['uid'], 'metadata.uid')),
      ...given('labels', texts(metadata['labels'], 'metadata.labels')),
      ...given('annotations', texts(metadata['annotations'], 'metadata.annotations')),
    },
    ...given('data', texts(object['data'], 'data')),
    ...given('binaryData', texts(object['binaryData'], 'binaryData')),
  };
}

function given<Key extends string, Value>(key: Key, value: Value | undefined): { [K in Key]?: Value } {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a computed key widens to string
  return (value === undefined ? {} : { [key]: value }) as { [K in Key]?: Value };
}

function record(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (isMapping(value)) return value;
  throw new KubernetesError('BadRequest', `${what} is not an object`);
}

function text(value: unknown, what: string): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'string') return value;
  throw new KubernetesError('BadRequest', `${what} is not a string`);
}

function texts(value: unknown, what: string): Readonly<Record<string, string>> | undefined {
  if (value === undefined || value === null) return undefined;
  const entries = Object.entries(record(value, what)).map(([key, each]): [string, string] => {
    if (typeof each !== 'string')
      throw new KubernetesError('BadRequest', `${what}[${JSON.stringify(key)}] is not a string`);
    return [key, each];
  });
  return Object.fromEntries(entries);
}
