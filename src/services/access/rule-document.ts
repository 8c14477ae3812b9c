import { defined } from '../../objects/index.ts';
import { callerText, parseCaller } from './caller.ts';
import {
  type HeaderMatch,
  parseHeaderMatch,
  parseMethod,
  parsePathMatch,
  type PathMatch,
} from './http-condition.ts';
import type { AccessRule } from './rule.ts';

/** A rule as plain JSON, in the words of the config file. */
export interface RuleDocument {
  readonly effect: 'allow' | 'deny';
  readonly from: readonly string[];
  readonly ports?: readonly string[] | undefined;
  readonly methods?: readonly string[] | undefined;
  readonly paths?: readonly string[] | undefined;
  readonly headers?: readonly string[] | undefined;
}

/** The document of a rule. Lists have one order, so that equal rules are equal text. */
export function writeRule({ effect, callers, ports, http }: AccessRule): RuleDocument {
  return {
    effect,
    from: callers.map(callerText).toSorted(),
    ...defined({
      ports: ports?.toSorted(),
      methods: http?.methods?.toSorted(),
      paths: http?.paths?.map(pathText).toSorted(),
      headers: http?.headers?.map(headerText).toSorted(),
    }),
  };
}

/**
 * Reads a rule. Lists that are there and empty stay empty, and `checkRule` refuses them. Throws
 * `AccessError`: `caller-invalid`, `method-invalid`, `path-not-canonical`, `header-invalid`.
 */
export function readRule(id: string, document: RuleDocument): AccessRule {
  const { effect, from, ports } = document;
  const http = defined({
    methods: document.methods?.map(parseMethod),
    paths: document.paths?.map(parsePathMatch),
    headers: document.headers?.map(parseHeaderMatch),
  });
  return {
    id,
    effect,
    callers: from.map(parseCaller),
    ...defined({ ports }),
    ...(Object.keys(http).length === 0 ? {} : { http }),
  };
}

/** The text that `parsePathMatch` reads. */
function pathText({ kind, path }: PathMatch): string {
  return kind === 'prefix' ? `${path}/*` : path;
}

/** The text that `parseHeaderMatch` reads. */
function headerText({ name, value }: HeaderMatch): string {
  return value === undefined ? name : `${name}: ${value}`;
}
