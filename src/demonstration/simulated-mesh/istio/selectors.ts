import { KubernetesError } from './kubernetes-status.ts';
import type { KubernetesObject } from './kubernetes-object.ts';

/** Whether an object is selected. */
export type Selector = (object: KubernetesObject) => boolean;

/**
 * Parses `fieldSelector` and `labelSelector`. Throws `KubernetesError` `BadRequest` for a form that
 * is not supported.
 */
export function parseSelectors(query: {
  readonly fieldSelector?: string | undefined;
  readonly labelSelector?: string | undefined;
}): Selector {
  const tests = [
    ...split(query.fieldSelector).map(parseField),
    ...split(query.labelSelector).map(parseLabel),
  ];
  return (object) => tests.every((test) => test(object));
}

/** Parts between commas, save those inside parentheses. */
function split(text: string | undefined): string[] {
  if (text === undefined || text.trim() === '') return [];
  return text.split(/,(?![^(]*\))/).map((part) => part.trim());
}

function parseField(text: string): Selector {
  const match = /^(metadata\.name|metadata\.namespace)(==|=|!=)([^=!]*)$/.exec(text);
  if (!match) throw new KubernetesError('BadRequest', `field label not supported: ${JSON.stringify(text)}`);
  const [, field, operator, value] = match;
  const wanted = operator !== '!=';
  return ({ metadata }) =>
    ((field === 'metadata.name' ? metadata.name : metadata.namespace) === value) === wanted;
}

function parseLabel(text: string): Selector {
  const set = /^([A-Za-z0-9./_-]+)\s+(in|notin)\s+\(([^()]*)\)$/.exec(text);
  if (set) {
    const [, key = '', operator, list = ''] = set;
    const values = new Set(list.split(',').map((value) => value.trim()));
    return ({ metadata }) => {
      const label = metadata.labels?.[key];
      return operator === 'in'
        ? label !== undefined && values.has(label)
        : label === undefined || !values.has(label);
    };
  }
  const match = /^(!?)([A-Za-z0-9./_-]+)(?:\s*(==|=|!=)\s*([A-Za-z0-9._-]*))?$/.exec(text);
  if (!match || (match[1] === '!' && match[3] !== undefined)) {
    throw new KubernetesError('BadRequest', `unable to parse label selector ${JSON.stringify(text)}`);
  }
  const [, not, key = '', operator, value] = match;
  return ({ metadata }) => {
    const label = metadata.labels?.[key];
    if (operator === undefined) return (label !== undefined) === (not !== '!');
    return (label === value) === (operator !== '!=');
  };
}
