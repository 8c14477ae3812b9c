import { isDeepStrictEqual } from 'node:util';
import { KubernetesError } from './kubernetes-status.ts';

type Json = unknown;

/**
 * JSON Merge Patch (RFC 7396). For a ConfigMap, which holds maps and no lists, a strategic merge
 * patch is the same.
 */
export function mergePatch(target: Json, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const result: Record<string, Json> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

const MAX_OPERATIONS = 10_000;

/**
 * JSON Patch (RFC 6902). Throws `KubernetesError`: `BadRequest` for a body that is not a patch,
 * `Invalid` for one that does not apply, above all a failed `test`.
 */
export function jsonPatch(target: Json, patch: Json): Json {
  if (!Array.isArray(patch) || patch.length > MAX_OPERATIONS) {
    throw new KubernetesError('BadRequest', `a JSON patch is a list of at most ${MAX_OPERATIONS} operations`);
  }
  return patch.reduce<Json>((document, operation) => apply(document, operation), structuredClone(target));
}

function apply(document: Json, operation: Json): Json {
  const { op, path, from, value } = operationOf(operation);
  switch (op) {
    case 'test':
      if (isDeepStrictEqual(at(document, path), value)) return document;
      throw refused(`testing ${path} failed`);
    case 'add':
      return change(document, path, { kind: 'add', value });
    case 'replace':
      return change(document, path, { kind: 'replace', value });
    case 'remove':
      return change(document, path, { kind: 'remove' });
    case 'copy':
      return change(document, path, { kind: 'add', value: structuredClone(at(document, from)) });
    case 'move': {
      const moved = at(document, from);
      return change(change(document, from, { kind: 'remove' }), path, { kind: 'add', value: moved });
    }
    default:
      throw new KubernetesError('BadRequest', `unknown operation ${JSON.stringify(op)}`);
  }
}

function operationOf(operation: Json): { op: Json; path: string; from: string; value: Json } {
  if (!isObject(operation) || typeof operation['path'] !== 'string') {
    throw new KubernetesError('BadRequest', 'an operation of a JSON patch has "op" and "path"');
  }
  const from = operation['from'];
  return {
    op: operation['op'],
    path: operation['path'],
    from: typeof from === 'string' ? from : '',
    value: operation['value'],
  };
}

function tokensOf(path: string): string[] {
  if (path === '') return [];
  if (!path.startsWith('/'))
    throw new KubernetesError('BadRequest', `${JSON.stringify(path)} is not a JSON pointer`);
  return path
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function at(document: Json, path: string): Json {
  return tokensOf(path).reduce<Json>((value, token) => child(value, token, path), document);
}

function child(parent: Json, token: string, path: string): Json {
  if (Array.isArray(parent) && /^\d+$/.test(token) && Number(token) < parent.length)
    return parent[Number(token)];
  if (isObject(parent) && Object.hasOwn(parent, token)) return parent[token];
  throw refused(`${path} is missing`);
}

type Edit = { readonly kind: 'add' | 'replace'; readonly value: Json } | { readonly kind: 'remove' };

function change(document: Json, path: string, edit: Edit): Json {
  const tokens = tokensOf(path);
  const last = tokens.pop();
  if (last === undefined) {
    if (edit.kind === 'remove') throw refused('the whole object cannot be removed');
    return edit.value;
  }
  const parent = tokens.reduce<Json>((value, token) => child(value, token, path), document);
  if (edit.kind !== 'add') child(parent, last, path);
  if (Array.isArray(parent)) {
    const index = last === '-' ? parent.length : Number(last);
    if (!(Number.isInteger(index) && index >= 0 && index <= parent.length))
      throw refused(`${path} is out of range`);
    if (edit.kind === 'add') parent.splice(index, 0, edit.value);
    else parent.splice(index, 1, ...(edit.kind === 'replace' ? [edit.value] : []));
  } else if (isObject(parent)) {
    if (edit.kind === 'remove') delete parent[last];
    else parent[last] = edit.value;
  } else throw refused(`${path} is missing`);
  return document;
}

function refused(what: string): KubernetesError {
  return new KubernetesError(
    'Invalid',
    `the server rejected our request due to an error in our request: ${what}`,
  );
}

function isObject(value: Json): value is Record<string, Json> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
