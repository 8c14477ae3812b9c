import type { AccessRequest, Service } from '../../src/services/index.ts';
import { at, list } from './objects.ts';

/** How GEP-3779 decides: one rule with the caller among its sources and the port among its ports. */
export function kubernetesAllows(
  objects: readonly object[],
  service: Service,
  { caller, port }: AccessRequest,
): boolean {
  const number = service.ports.find(({ name }) => name === port)?.port;
  return objects
    .flatMap((each) => list(at(each, 'spec', 'rules')))
    .some(
      (rule) =>
        list(at(rule, 'sources')).some(
          (source) => at(source, 'type') === 'SPIFFE' && at(source, 'spiffe') === caller,
        ) && list(at(rule, 'networkAttributes', 'ports')).includes(number),
    );
}
