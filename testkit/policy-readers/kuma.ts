import type { AccessRequest } from '../../src/services/index.ts';
import { at, list, text } from './objects.ts';

/** How Kuma decides by MeshTrafficPermissions of a port: a deny wins, and without an allow nothing passes. */
export function kumaAllows(objects: readonly object[], { caller, port }: AccessRequest): boolean {
  const rules = objects
    .filter((each) => at(each, 'spec', 'targetRef', 'sectionName') === port)
    .flatMap((each) => list(at(each, 'spec', 'rules')));
  const hit = (list_: unknown) =>
    list(list_).some((match) => {
      const value = text(at(match, 'spiffeID', 'value'));
      return at(match, 'spiffeID', 'type') === 'Exact' ? caller === value : caller.startsWith(value);
    });
  return (
    !rules.some((rule) => hit(at(rule, 'default', 'deny'))) &&
    rules.some((rule) => hit(at(rule, 'default', 'allow')))
  );
}
