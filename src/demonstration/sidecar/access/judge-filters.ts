import type {
  HeaderMatcher,
  Rbac,
  RbacPermission,
  RbacPrincipal,
  StringMatcher,
} from '../../../grpc/index.ts';
import { isCanonicalPath } from '../../../services/index.ts';
import type { JudgedRequest, RequestVerdict } from './access-source.ts';

/** The filters in front of the workload. */
export interface InboundFilters {
  readonly deny: Rbac;
  readonly allow: Rbac;
}

/**
 * Judges a request as Envoy's RBAC filters do: a policy of `deny` ends it, and a policy of `allow` has
 * to match. Where a policy looks at paths, a path that servers read in several ways does not pass,
 * because the workload may read another one than the policy.
 */
export function judgeFilters({ deny, allow }: InboundFilters, request: JudgedRequest): RequestVerdict {
  if (!isCanonicalPath(request.path) && [deny, allow].some(looksAtPaths))
    return { allowed: false, code: 'path-ambiguous' };
  const denying = matchingPolicy(deny, request);
  if (denying !== undefined) return { allowed: false, code: 'access-denied', rule: denying };
  if (matchingPolicy(allow, request) !== undefined) return { allowed: true };
  return { allowed: false, code: 'access-denied' };
}

function matchingPolicy({ policies }: Rbac, request: JudgedRequest): string | undefined {
  const found = Object.entries(policies).find(
    ([, { permissions, principals }]) =>
      permissions.some((permission) => permits(permission, request)) &&
      principals.some((principal) => isAbout(principal, request)),
  );
  return found?.[0];
}

function permits(permission: RbacPermission, request: JudgedRequest): boolean {
  const { and_rules: and, or_rules: or, not_rule: not, header, destination_port: port } = permission;
  const { url_path: path } = permission;
  if (and) return and.rules.every((each) => permits(each, request));
  if (or) return or.rules.some((each) => permits(each, request));
  if (not) return !permits(not, request);
  if (header) return hasHeader(header, request);
  if (path) return matches(path.path, request.path);
  if (port !== undefined) return port === request.port;
  return permission.any === true;
}

function isAbout(principal: RbacPrincipal, request: JudgedRequest): boolean {
  const { and_ids: and, or_ids: or, not_id: not, authenticated } = principal;
  if (and) return and.ids.every((each) => isAbout(each, request));
  if (or) return or.ids.some((each) => isAbout(each, request));
  if (not) return !isAbout(not, request);
  if (authenticated) return matches(authenticated.principal_name, request.caller);
  return principal.any === true;
}

function hasHeader(matcher: HeaderMatcher, { method, headers }: JudgedRequest): boolean {
  const { name, string_match: text, invert_match: inverted } = matcher;
  const value = name === ':method' ? method : Object.hasOwn(headers, name) ? headers[name] : undefined;
  const found = value !== undefined && (text === undefined || matches(text, value));
  return inverted === true ? !found : found;
}

function matches(matcher: StringMatcher | undefined, value: string): boolean {
  const { exact, prefix, suffix, safe_regex: regex } = matcher ?? {};
  if (exact !== undefined) return value === exact;
  if (prefix !== undefined) return value.startsWith(prefix);
  if (suffix !== undefined) return value.endsWith(suffix);
  return regex !== undefined && new RegExp(`^(?:${regex.regex})$`, 'u').test(value);
}

function looksAtPaths({ policies }: Rbac): boolean {
  const looks = ({ and_rules: and, or_rules: or, not_rule: not, url_path: path }: RbacPermission): boolean =>
    path !== undefined || [...(and?.rules ?? []), ...(or?.rules ?? []), ...(not ? [not] : [])].some(looks);
  return Object.values(policies).some(({ permissions }) => permissions.some(looks));
}
