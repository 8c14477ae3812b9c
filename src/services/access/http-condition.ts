import { AccessError } from './errors.ts';
import { isCanonicalPath } from './canonical-path.ts';

/** One path, or a path with all that is below it, by whole segments: `/v1` matches `/v1/a` and not `/v10`. */
export type PathMatch =
  | { readonly kind: 'exact'; readonly path: string }
  | { readonly kind: 'prefix'; readonly path: string };

/** A header with exactly this value, or, without a value, a header that is there. */
export interface HeaderMatch {
  /** Lower case. */
  readonly name: string;
  readonly value?: string;
}

/** Every list that is there must match; one entry of it is enough, but every header is needed. */
export interface HttpCondition {
  readonly methods?: readonly string[];
  readonly paths?: readonly PathMatch[];
  readonly headers?: readonly HeaderMatch[];
}

const MAX_PATH_CHARACTERS = 1024;
const MAX_VALUE_CHARACTERS = 256;
const METHOD = /^[A-Z]{1,20}$/;
const HEADER_NAME = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/;
/** Proxies set, merge or drop these themselves, so that a rule about them would not hold. */
const UNSTABLE = new Set([
  'host',
  'connection',
  'te',
  'transfer-encoding',
  'upgrade',
  'content-length',
  'cookie',
  'expect',
]);

/**
 * What a match means to a mesh that compares texts: `/v1/*` is the whole path `/v1`, and every path
 * that begins with `/v1/`.
 */
export function literalsOf({
  kind,
  path,
}: PathMatch): readonly { readonly kind: 'exact' | 'prefix'; readonly text: string }[] {
  if (kind === 'exact') return [{ kind, text: path }];
  const below = { kind, text: `${path}/` };
  return path === '' ? [below] : [{ kind: 'exact', text: path }, below];
}

/** Throws `AccessError` `method-invalid`. */
export function parseMethod(text: string): string {
  if (METHOD.test(text)) return text;
  throw new AccessError(
    'method-invalid',
    `a method is in upper case, such as GET, not ${JSON.stringify(text.slice(0, 40))}`,
  );
}

/**
 * A path from `/remarks`, or a prefix of segments from `/v1/*`. Throws `AccessError`
 * `path-not-canonical`.
 */
export function parsePathMatch(text: string): PathMatch {
  const isPrefix = text.endsWith('/*');
  const path = isPrefix ? text.slice(0, -2) : text;
  const isWhole = isPrefix && path === '';
  const isShort = path.length <= MAX_PATH_CHARACTERS;
  if (
    isWhole ||
    (isShort && isCanonicalPath(path) && !/[*{}]/.test(path) && !(isPrefix && path.endsWith('/')))
  )
    return isPrefix ? { kind: 'prefix', path } : { kind: 'exact', path };
  throw new AccessError(
    'path-not-canonical',
    `a path begins with a slash and has no "//", "%", "*", query or dot segment, and "/*" at its end means all below it; ${JSON.stringify(text.slice(0, 120))} is not such a path`,
  );
}

/** A header from `name: value`, or from `name` alone. Throws `AccessError` `header-invalid`. */
export function parseHeaderMatch(text: string): HeaderMatch {
  const colon = text.indexOf(':');
  const name = (colon === -1 ? text : text.slice(0, colon)).toLowerCase();
  const value = colon === -1 ? undefined : text.slice(colon + 1).trim();
  const isValue =
    value === undefined ||
    (/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value) &&
      value.length <= MAX_VALUE_CHARACTERS &&
      !/[,*]/.test(value));
  if (HEADER_NAME.test(name) && isValue && !UNSTABLE.has(name))
    return value === undefined ? { name } : { name, value };
  throw new AccessError(
    'header-invalid',
    `a header is "name" or "name: value" in visible ASCII without a comma and a star, and none that proxies change, not ${JSON.stringify(text.slice(0, 120))}`,
  );
}
