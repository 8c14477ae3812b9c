import type { AccessRequest } from '../../src/services/index.ts';
import { at, list, text } from './objects.ts';

/**
 * How Consul decides by service-intentions: the most specific source counts, and of its permissions
 * the first that matches. `peers` names the trust domain of each peering.
 */
export function consulAllows(
  objects: readonly object[],
  peers: Readonly<Record<string, string>>,
  request: AccessRequest,
): boolean {
  const [, trustDomain = '', name = ''] =
    /^spiffe:\/\/([^/]+)\/(?:ns\/default\/dc\/[^/]+\/svc\/([^/]+))?/.exec(request.caller) ?? [];
  const sources = objects.flatMap((each) => list(at(each, 'spec', 'sources')));
  const ofPeer = (wanted: string) =>
    sources.find(
      (each) => at(each, 'name') === wanted && peers[text(at(each, 'peer') ?? '')] === trustDomain,
    );
  const source =
    (name === '' ? undefined : ofPeer(name)) ??
    ofPeer('*') ??
    sources.find((each) => at(each, 'name') === '*' && at(each, 'peer') === undefined);
  const permissions = at(source, 'permissions');
  if (permissions === undefined) return at(source, 'action') === 'allow';
  const first = list(permissions).find((permission) => isMet(at(permission, 'http'), request));
  return at(first, 'action') === 'allow';
}

function isMet(http: unknown, { method, path = '', headers }: AccessRequest): boolean {
  const [exact, prefix, methods] = [at(http, 'pathExact'), at(http, 'pathPrefix'), at(http, 'methods')];
  return (
    (exact === undefined || exact === path) &&
    (prefix === undefined || path.startsWith(text(prefix))) &&
    (methods === undefined || list(methods).includes(method)) &&
    list(at(http, 'header')).every((header) => {
      const value = headers?.[text(at(header, 'name'))];
      return at(header, 'present') === true ? value !== undefined : value === at(header, 'exact');
    })
  );
}
