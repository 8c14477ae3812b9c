import { messageOf } from '../errors/index.ts';
import {
  type AnyMessage,
  EXTENSION_CONFIG_TYPE_URL,
  extensionConfigDiscoveryService,
  extensionConfigMessage,
  HTTP_RBAC_TYPE_URL,
  httpRbacMessage,
  NETWORK_RBAC_TYPE_URL,
  networkRbacMessage,
  type Rbac,
  type RbacPermission,
  type RbacPrincipal,
  type StringMatcher,
} from '../grpc/index.ts';
import type { ResourceKind } from './discovery-client.ts';
import { WorkloadApiError } from './errors.ts';

/** An RBAC filter of a proxy, with the name by which the proxy asks for it. */
export interface AccessFilter {
  readonly name: string;
  readonly rules: Rbac;
}

/**
 * The filters in front of the workload, in their order. A request passes where the first denies
 * nothing about it and the second allows it.
 */
export const INBOUND_FILTERS = { deny: 'inbound-deny', allow: 'inbound-allow' } as const;

/**
 * The filter as a resource of Envoy's discovery of filter configs: for HTTP requests, or for the
 * connections of a TCP port.
 */
export function encodeAccessFilter(
  { name, rules }: AccessFilter,
  level: 'http' | 'tcp' = 'http',
): AnyMessage {
  const typedConfig =
    level === 'http'
      ? { type_url: HTTP_RBAC_TYPE_URL, value: httpRbacMessage.encode({ rules }) }
      : { type_url: NETWORK_RBAC_TYPE_URL, value: networkRbacMessage.encode({ rules, stat_prefix: name }) };
  return {
    type_url: EXTENSION_CONFIG_TYPE_URL,
    value: extensionConfigMessage.encode({ name, typed_config: typedConfig }),
  };
}

/**
 * Reads a filter. Throws `WorkloadApiError` `access-filter-malformed`, also for a condition that we
 * do not know: it must not read as no condition.
 */
export function decodeAccessFilter(resource: AnyMessage): AccessFilter {
  try {
    if (resource.type_url !== EXTENSION_CONFIG_TYPE_URL)
      throw new Error(`its type is ${JSON.stringify(resource.type_url)}`);
    const { name, typed_config: config } = extensionConfigMessage.decode(resource.value);
    if (config?.type_url !== HTTP_RBAC_TYPE_URL)
      throw new Error(`${JSON.stringify(name)} is not an RBAC filter`);
    const { rules } = httpRbacMessage.decode(config.value);
    if (!rules) throw new Error(`${JSON.stringify(name)} has no rules`);
    for (const { permissions, principals } of Object.values(rules.policies)) {
      if (permissions.length === 0 || principals.length === 0)
        throw new Error('a policy lacks permissions or principals');
      permissions.forEach(checkPermission);
      principals.forEach(checkPrincipal);
    }
    return { name, rules };
  } catch (cause) {
    throw new WorkloadApiError(
      'access-filter-malformed',
      `an access filter cannot be used: ${messageOf(cause)}`,
      { cause },
    );
  }
}

/** What a proxy asks for to learn whom it lets in. */
export const accessFilters: ResourceKind<AccessFilter> = {
  label: 'access filter',
  typeUrl: EXTENSION_CONFIG_TYPE_URL,
  method: extensionConfigDiscoveryService.StreamExtensionConfigs,
  decode: decodeAccessFilter,
  isComplete: false,
};

function checkPermission(permission: RbacPermission): void {
  const { and_rules: and, or_rules: or, not_rule: not, header, url_path: path } = permission;
  const { any, destination_port: port } = permission;
  for (const set of [and, or]) checkAll(set?.rules, checkPermission);
  if (not) checkPermission(not);
  if (path) checkMatcher(path.path);
  if (header?.string_match) checkMatcher(header.string_match);
  if (header && header.string_match === undefined && header.present_match !== true) throw unknown();
  if (!and && !or && !not && !path && !header && any !== true && port === undefined) throw unknown();
}

function checkPrincipal({ and_ids: and, or_ids: or, not_id: not, any, authenticated }: RbacPrincipal): void {
  for (const set of [and, or]) checkAll(set?.ids, checkPrincipal);
  if (not) checkPrincipal(not);
  // Without a name it would be every proved caller, which `any` says more plainly.
  if (authenticated) checkMatcher(authenticated.principal_name);
  if (!and && !or && !not && !authenticated && any !== true) throw unknown();
}

function checkAll<Item>(items: readonly Item[] | undefined, checkOne: (item: Item) => void): void {
  if (items?.length === 0) throw unknown();
  items?.forEach(checkOne);
}

function checkMatcher(matcher: StringMatcher | undefined): void {
  const { exact, prefix, suffix, safe_regex: regex } = matcher ?? {};
  if (regex) new RegExp(regex.regex, 'u');
  else if (exact === undefined && prefix === undefined && suffix === undefined) throw unknown();
}

const unknown = () => new Error('a condition has a form that we do not know');
