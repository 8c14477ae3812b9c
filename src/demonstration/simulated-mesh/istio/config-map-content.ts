import { defined } from '../../../objects/index.ts';
import type { ObjectContent } from './kubernetes-object.ts';
import { KubernetesError } from './kubernetes-status.ts';
import { texts } from './read-fields.ts';

const MAX_DATA_BYTES = 1024 * 1024;
const DATA_KEY = /^[-._a-zA-Z0-9]{1,253}$/;

/** The content of a ConfigMap. Throws `KubernetesError`: `BadRequest`, `Invalid`. */
export function configMapContent(object: Readonly<Record<string, unknown>>, name: string): ObjectContent {
  const data = texts(object['data'], 'data');
  const binaryData = texts(object['binaryData'], 'binaryData');
  const invalid = (what: string) =>
    new KubernetesError('Invalid', `ConfigMap ${JSON.stringify(name)} is invalid: ${what}`);
  let bytes = 0;
  for (const [key, value] of [...Object.entries(data ?? {}), ...Object.entries(binaryData ?? {})]) {
    if (!DATA_KEY.test(key))
      throw invalid(`data[${key}]: a valid config key consists of alphanumeric characters, "-", "_" or "."`);
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (bytes > MAX_DATA_BYTES) throw invalid(`[]: Too long: may not be more than ${MAX_DATA_BYTES} bytes`);
  return defined({ data, binaryData });
}
