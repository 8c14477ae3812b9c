import type { Rbac, RbacPermission, RbacPrincipal, StringMatcher } from '../../../../grpc/index.ts';
import { isMapping } from '../../../../objects/index.ts';

type Fields = Readonly<Record<string, unknown>>;
type Policy = Rbac['policies'][string];

/** What the intentions of one service are judged with. */
export interface IntentionsContext {
  /** The default where no intention is about the caller. */
  readonly fallback: 'allow' | 'deny';
  /** The trust domain of a peer; undefined until its bundle came. */
  readonly trustDomainOf: (peer: string) => string | undefined;
}

/**
 * Whom the proxy of a service lets in, as Consul makes it of `service-intentions`. The entry of the
 * service comes before that of all services, and exact sources come before `*`. Of the permissions
 * of a source the first one that matches counts. A source of a peer without a bundle has no effect.
 * Pure.
 */
export function accessByIntentions(
  entries: { readonly own: Fields | undefined; readonly all: Fields | undefined },
  { fallback, trustDomainOf }: IntentionsContext,
): { readonly deny: Rbac; readonly allow: Rbac } {
  const policies: Record<string, Policy> = {};
  const earlier: RbacPrincipal[] = [];
  const others = () => earlier.map((principal): RbacPrincipal => ({ not_id: principal }));
  for (const source of [...ordered(entries.own), ...ordered(entries.all)]) {
    const principal = principalOf(source, trustDomainOf);
    if (!principal) continue;
    const principals = [{ and_ids: { ids: [principal, ...others()] } }];
    const permissions = allowedBy(source);
    if (permissions.length > 0) policies[`source-${earlier.length}`] = { permissions, principals };
    earlier.push(principal);
  }
  if (fallback === 'allow')
    policies['default'] = {
      permissions: [{ any: true }],
      principals: [{ and_ids: { ids: [{ any: true }, ...others()] } }],
    };
  return { deny: { action: 'DENY', policies: {} }, allow: { action: 'ALLOW', policies } };
}

function ordered(entry: Fields | undefined): readonly Fields[] {
  const sources = listOf(entry?.['Sources']);
  return [...sources.filter(({ Name }) => Name !== '*'), ...sources.filter(({ Name }) => Name === '*')];
}

/** The SPIFFE IDs that Consul's own form gives the source: of any host for one of the own cluster. */
function principalOf(
  { Name, Namespace, Peer }: Fields,
  trustDomainOf: (peer: string) => string | undefined,
): RbacPrincipal | undefined {
  const peer = textOf(Peer);
  const trustDomain = peer === '' ? '[^/]+' : given(trustDomainOf(peer));
  if (trustDomain === undefined) return undefined;
  const namespace = textOf(Namespace) === '' ? 'default' : escaped(textOf(Namespace));
  const service = Name === '*' ? '[^/]+' : escaped(textOf(Name));
  const regex = `spiffe://${trustDomain}/ns/${namespace}/dc/[^/]+/svc/${service}`;
  return { authenticated: { principal_name: { safe_regex: { regex } } } };
}

/** Everything, nothing, or what the permissions allow that an earlier one does not decide. */
function allowedBy({ Action, Permissions }: Fields): readonly RbacPermission[] {
  const permissions = listOf(Permissions);
  if (permissions.length === 0) return Action === 'allow' ? [{ any: true }] : [];
  const before: RbacPermission[] = [];
  return permissions.flatMap((permission) => {
    const condition = conditionOf(permission['HTTP']);
    const rules = [condition, ...before.map((each): RbacPermission => ({ not_rule: each }))];
    before.push(condition);
    return permission['Action'] === 'allow' ? [{ and_rules: { rules } }] : [];
  });
}

function conditionOf(value: unknown): RbacPermission {
  const { PathExact, PathPrefix, PathRegex, Header, Methods } = isMapping(value) ? value : {};
  const path: StringMatcher | undefined =
    typeof PathExact === 'string' && PathExact !== ''
      ? { exact: PathExact }
      : typeof PathPrefix === 'string' && PathPrefix !== ''
        ? { prefix: PathPrefix }
        : typeof PathRegex === 'string' && PathRegex !== ''
          ? { safe_regex: { regex: PathRegex } }
          : undefined;
  const methods = Array.isArray(Methods) ? Methods.filter((each) => typeof each === 'string') : [];
  const rules: RbacPermission[] = [
    ...(path ? [{ url_path: { path } }] : []),
    ...(methods.length > 0
      ? [
          {
            or_rules: {
              rules: methods.map((exact) => ({ header: { name: ':method', string_match: { exact } } })),
            },
          },
        ]
      : []),
    ...listOf(Header).map(headerOf),
  ];
  return rules.length === 0 ? { any: true } : { and_rules: { rules } };
}

function headerOf({ Name, Present, Exact, Prefix, Suffix, Regex, Invert }: Fields): RbacPermission {
  const name = textOf(Name).toLowerCase();
  const matcher: StringMatcher | undefined =
    textOf(Exact) !== ''
      ? { exact: textOf(Exact) }
      : textOf(Prefix) !== ''
        ? { prefix: textOf(Prefix) }
        : textOf(Suffix) !== ''
          ? { suffix: textOf(Suffix) }
          : textOf(Regex) !== ''
            ? { safe_regex: { regex: textOf(Regex) } }
            : undefined;
  const header = matcher ? { name, string_match: matcher } : { name, present_match: Present === true };
  return Invert === true ? { not_rule: { header } } : { header };
}

function listOf(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.filter(isMapping) : [];
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function given(text: string | undefined): string | undefined {
  return text === undefined ? undefined : escaped(text);
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);
}
