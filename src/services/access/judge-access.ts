import type { SpiffeId } from '../../spiffe/index.ts';
import { isCanonicalPath } from './canonical-path.ts';
import { isCaller } from './caller.ts';
import type { HttpCondition, PathMatch } from './http-condition.ts';
import type { AccessPolicy, AccessRule } from './rule.ts';

/** One request, as the workload would receive it. */
export interface AccessRequest {
  readonly caller: SpiffeId;
  /** The name of the port. */
  readonly port: string;
  readonly method?: string;
  /** As on the wire, without the query. */
  readonly path?: string;
  /** Names in lower case; several values of one name joined by a comma. */
  readonly headers?: Readonly<Record<string, string>>;
}

export type AccessVerdict =
  | { readonly allowed: true; readonly rule: string }
  | { readonly allowed: false; readonly code: 'denied-by-rule'; readonly rule: string }
  /** No rule is about this caller, port and request. */
  | { readonly allowed: false; readonly code: 'no-rule-allows' }
  /** A rule is about this caller and port, but no condition on paths allows such a path. */
  | { readonly allowed: false; readonly code: 'path-ambiguous' };

/**
 * Decides one request: a deny rule wins, then an allow rule counts, and nothing else is allowed. A
 * path that servers may read in several ways meets the conditions of every deny rule and of no allow
 * rule.
 */
export function judgeAccess({ rules }: AccessPolicy, request: AccessRequest): AccessVerdict {
  const about = rules.filter((rule) => isAbout(rule, request));
  const denying = about.find((rule) => rule.effect === 'deny' && meets(rule.http, request, true));
  if (denying) return { allowed: false, code: 'denied-by-rule', rule: denying.id };
  const allowing = about.find((rule) => rule.effect === 'allow' && meets(rule.http, request, false));
  if (allowing) return { allowed: true, rule: allowing.id };
  const isAmbiguous = request.path !== undefined && !isCanonicalPath(request.path);
  const byPath = about.some(({ effect, http }) => effect === 'allow' && http?.paths !== undefined);
  return { allowed: false, code: isAmbiguous && byPath ? 'path-ambiguous' : 'no-rule-allows' };
}

function isAbout({ callers, ports }: AccessRule, { caller, port }: AccessRequest): boolean {
  return callers.some((each) => isCaller(each, caller)) && (ports === undefined || ports.includes(port));
}

/** `ambiguous` is the answer about a path that can be read in several ways. */
function meets(
  http: HttpCondition | undefined,
  { method, path, headers }: AccessRequest,
  ambiguous: boolean,
): boolean {
  if (!http) return true;
  if (http.methods && (method === undefined || !http.methods.includes(method))) return false;
  if (http.headers?.some(({ name, value }) => !hasHeader(headers, name, value))) return false;
  if (!http.paths) return true;
  if (path === undefined) return false;
  return isCanonicalPath(path) ? http.paths.some((match) => matchesPath(match, path)) : ambiguous;
}

function hasHeader(headers: AccessRequest['headers'], name: string, value: string | undefined): boolean {
  const found = headers !== undefined && Object.hasOwn(headers, name) ? headers[name] : undefined;
  return found !== undefined && (value === undefined || found === value);
}

function matchesPath(match: PathMatch, path: string): boolean {
  if (match.kind === 'exact') return path === match.path;
  return path === match.path || path.startsWith(`${match.path}/`);
}
