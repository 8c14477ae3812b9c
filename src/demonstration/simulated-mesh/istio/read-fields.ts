import { isMapping } from '../../../objects/index.ts';
import { KubernetesError } from './kubernetes-status.ts';

/** A JSON object. Throws `KubernetesError` `BadRequest`. */
export function record(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (isMapping(value)) return value;
  throw new KubernetesError('BadRequest', `${what} is not an object`);
}

/** A text; undefined where it is missing or empty. Throws `KubernetesError` `BadRequest`. */
export function text(value: unknown, what: string): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'string') return value;
  throw new KubernetesError('BadRequest', `${what} is not a string`);
}

/** A map of texts. Throws `KubernetesError` `BadRequest`. */
export function texts(value: unknown, what: string): Readonly<Record<string, string>> | undefined {
  if (value === undefined || value === null) return undefined;
  const entries = Object.entries(record(value, what)).map(([key, each]): [string, string] => {
    if (typeof each !== 'string')
      throw new KubernetesError('BadRequest', `${what}[${JSON.stringify(key)}] is not a string`);
    return [key, each];
  });
  return Object.fromEntries(entries);
}
