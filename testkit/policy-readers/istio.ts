import type { AccessRequest, Service } from '../../src/services/index.ts';
import { at, list, text } from './objects.ts';

/** How Istio decides by AuthorizationPolicies: DENY first, then ALLOW, and a policy without rules matches nothing. */
export function istioAllows(objects: readonly object[], service: Service, request: AccessRequest): boolean {
  const port = service.ports.find(({ name }) => name === request.port)?.port;
  const of = (action: string) => objects.filter((each) => at(each, 'spec', 'action') === action);
  const hit = (object: object) =>
    list(at(object, 'spec', 'rules')).some((rule) => isMet(rule, String(port), request));
  if (of('DENY').some(hit)) return false;
  const allowing = of('ALLOW');
  return allowing.length === 0 || allowing.some(hit);
}

function isMet(rule: unknown, port: string, request: AccessRequest): boolean {
  const from = list(at(rule, 'from'));
  const to = list(at(rule, 'to'));
  return (
    (from.length === 0 ||
      from.some((each) =>
        oneOf(at(each, 'source', 'principals'), request.caller.slice('spiffe://'.length)),
      )) &&
    (to.length === 0 ||
      to.some(
        (each) =>
          oneOf(at(each, 'operation', 'ports'), port) &&
          oneOf(at(each, 'operation', 'methods'), request.method) &&
          oneOf(at(each, 'operation', 'paths'), request.path),
      )) &&
    list(at(rule, 'when')).every((each) => {
      const name = /^request\.headers\[(.*)\]$/.exec(text(at(each, 'key')))?.[1] ?? '';
      return oneOf(at(each, 'values'), request.headers?.[name]);
    })
  );
}

/** A list that is missing matches everything; a star stands for the beginning, the end or all of a value. */
function oneOf(patterns: unknown, value: string | undefined): boolean {
  if (patterns === undefined) return true;
  if (value === undefined) return false;
  return list(patterns)
    .map(text)
    .some((pattern) => {
      if (pattern === '*') return value !== '';
      if (pattern.endsWith('*')) return value.startsWith(pattern.slice(0, -1));
      if (pattern.startsWith('*')) return value.endsWith(pattern.slice(1));
      return value === pattern;
    });
}
