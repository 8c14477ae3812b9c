import type { AccessRequest } from '../../src/services/index.ts';
import { at, list, text } from './objects.ts';

/** How Envoy decides by the filters of `compileForEnvoy`: every RBAC filter has to let the request pass. */
export function envoyAllows(objects: readonly object[], request: AccessRequest): boolean {
  const port = objects.find((each) => at(each, 'port') === request.port);
  return list(at(port, 'filters')).every((filter) => {
    const rules = at(filter, 'typed_config', 'rules');
    const matched = Object.values(Object(at(rules, 'policies'))).some(
      (policy) =>
        list(at(policy, 'permissions')).some((permission) => permits(permission, request)) &&
        list(at(policy, 'principals')).some((principal) => isPrincipal(principal, request.caller)),
    );
    return (at(rules, 'action') === 'ALLOW') === matched;
  });
}

function permits(permission: unknown, request: AccessRequest): boolean {
  const [kind, value] = Object.entries(Object(permission))[0] ?? [];
  switch (kind) {
    case 'any':
      return true;
    case 'and_rules':
      return list(at(value, 'rules')).every((each) => permits(each, request));
    case 'or_rules':
      return list(at(value, 'rules')).some((each) => permits(each, request));
    case 'not_rule':
      return !permits(value, request);
    case 'header': {
      const name = text(at(value, 'name'));
      const found = name === ':method' ? request.method : request.headers?.[name];
      return (
        found !== undefined &&
        (at(value, 'present_match') === true || at(value, 'string_match', 'exact') === found)
      );
    }
    case 'url_path':
      return request.path !== undefined && matches(at(value, 'path'), request.path);
    default:
      throw new Error(`Envoy has no permission ${kind}`);
  }
}

function isPrincipal(principal: unknown, caller: string): boolean {
  return matches(at(principal, 'authenticated', 'principal_name'), caller);
}

function matches(matcher: unknown, value: string): boolean {
  const [kind, wanted] = Object.entries(Object(matcher))[0] ?? [];
  if (kind === 'exact') return value === wanted;
  if (kind === 'prefix') return value.startsWith(text(wanted));
  if (kind === 'safe_regex') return new RegExp(`^(?:${text(at(wanted, 'regex'))})$`, 's').test(value);
  throw new Error(`Envoy has no matcher ${kind}`);
}
