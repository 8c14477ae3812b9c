import type { AccessRequest, Service } from '../../src/services/index.ts';
import { at, list, text } from './objects.ts';

/**
 * How Linkerd decides: the Server of the port, its most specific route where it has routes, and the
 * AuthorizationPolicies on that one. No route means 404, which is a refusal too.
 */
export function linkerdAllows(objects: readonly object[], service: Service, request: AccessRequest): boolean {
  const of = (kind: string) => objects.filter((each) => at(each, 'kind') === kind);
  const port = service.ports.find(({ name }) => name === request.port)?.port;
  const server = of('Server').find((each) => at(each, 'spec', 'port') === port);
  const serverName = at(server, 'metadata', 'name');
  const routes = of('HTTPRoute').filter(
    (each) => at(list(at(each, 'spec', 'parentRefs'))[0], 'name') === serverName,
  );
  const [best] = routes
    .filter((route) => isMet(matchOf(route), request))
    .toSorted((a, b) => (moreSpecific(matchOf(a), matchOf(b)) ? -1 : 1));
  const target =
    routes.length === 0
      ? { kind: 'Server', name: serverName }
      : { kind: 'HTTPRoute', name: at(best, 'metadata', 'name') };
  return of('AuthorizationPolicy')
    .filter(
      (each) =>
        at(each, 'spec', 'targetRef', 'kind') === target.kind &&
        at(each, 'spec', 'targetRef', 'name') === target.name,
    )
    .some((each) =>
      list(at(each, 'spec', 'requiredAuthenticationRefs')).every((reference) =>
        of('MeshTLSAuthentication')
          .filter((authentication) => at(authentication, 'metadata', 'name') === at(reference, 'name'))
          .some((authentication) => list(at(authentication, 'spec', 'identities')).includes(request.caller)),
      ),
    );
}

const matchOf = (route: object) => list(at(list(at(route, 'spec', 'rules'))[0], 'matches'))[0];

function isMet(match: unknown, { method, path = '', headers }: AccessRequest): boolean {
  const value = text(at(match, 'path', 'value'));
  const isPath = at(match, 'path', 'type') === 'Exact' ? path === value : path.startsWith(value);
  return (
    isPath &&
    (at(match, 'method') === undefined || at(match, 'method') === method) &&
    list(at(match, 'headers')).every((header) => {
      const found = headers?.[text(at(header, 'name'))];
      return (
        found !== undefined && (at(header, 'type') === 'RegularExpression' || found === at(header, 'value'))
      );
    })
  );
}

/** The order of the Gateway API: an exact path, then a method, then the number of headers. */
function moreSpecific(a: unknown, b: unknown): boolean {
  const rank = (match: unknown) => [
    Number(at(match, 'path', 'type') === 'Exact'),
    Number(at(match, 'method') !== undefined),
    list(at(match, 'headers')).length,
  ];
  const [first, second] = [rank(a), rank(b)];
  const index = first.findIndex((value, place) => value !== second[place]);
  return index !== -1 && (first[index] ?? 0) > (second[index] ?? 0);
}
