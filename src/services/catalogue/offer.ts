import { type TrustDomain, trustDomainOf, pathOf } from '../../spiffe/index.ts';
import { defined } from '../../objects/index.ts';
import { mayCall } from '../access/may-call.ts';
import type { AccessRule } from '../access/rule.ts';
import type { EndpointAddress } from '../service/endpoint-address.ts';
import type { OwnService } from '../service/own-service.ts';
import { CATALOGUE_LIMITS } from './catalogue-limits.ts';
import type { DirectAddress, OfferedPort, OfferedService, OfferState } from './catalogue.ts';
import { sniOf } from './sni.ts';

/** Why a service cannot be exported as it is. */
export interface ExportObstacle {
  readonly code: string;
  readonly message: string;
}

/**
 * Why this service cannot be exported: the mesh's own reason, or identities, targets and names that
 * a peer could not use. Undefined where it can.
 */
export function exportObstacle(
  service: OwnService,
  { own, sniSuffix }: { readonly own: TrustDomain; readonly sniSuffix: string },
): ExportObstacle | undefined {
  const { id, spiffeIds, ports, obstacle } = service;
  if (obstacle) return obstacle;
  const refuse = (code: string, message: string): ExportObstacle => ({ code, message });
  if (spiffeIds.length === 0)
    return refuse('service-without-identity', `${id} has no SPIFFE ID, so a peer could not recognise it`);
  if (spiffeIds.length > CATALOGUE_LIMITS.identitiesOfService)
    return refuse(
      'service-identities-many',
      `${id} has ${spiffeIds.length} SPIFFE IDs, and an export has at most ${CATALOGUE_LIMITS.identitiesOfService}`,
    );
  const foreign = spiffeIds.find((each) => trustDomainOf(each) !== own || pathOf(each) === '');
  if (foreign !== undefined)
    return refuse('service-foreign-identity', `${id} names ${foreign}, which is not a workload of ${own}`);
  if (ports.length > CATALOGUE_LIMITS.portsOfService)
    return refuse(
      'service-ports-many',
      `${id} has ${ports.length} ports, and an export has at most ${CATALOGUE_LIMITS.portsOfService}`,
    );
  const offered = ports.filter(({ target }) => target !== undefined);
  if (offered.length === 0)
    return refuse(
      'service-without-target',
      `no port of ${id} has an address at which its mesh takes mTLS: name one with "target" in the config, or with --target`,
    );
  if (offered.some((port) => sniOf(service, port, sniSuffix) === undefined))
    return refuse(
      'sni-unusable',
      `the SNI of ${id} under ${JSON.stringify(sniSuffix)} is not a legal host name: set services.sni_suffix`,
    );
  return undefined;
}

/**
 * A service as it stands in the catalogue of one peer: the ports that have a target, and the callers
 * of that peer that its rules let in. The service has no obstacle. Callers beyond the bound are left
 * out: the list informs the peer, and the rules decide.
 */
export function offerOf(
  service: OwnService,
  offer: {
    readonly consumer: TrustDomain;
    readonly rules: readonly AccessRule[];
    readonly state: OfferState;
    readonly sniSuffix: string;
    /** IDs of our gateways. */
    readonly gateways: readonly string[];
    /** Where the consumer reaches the workload itself. */
    readonly directTo: (target: EndpointAddress) => readonly DirectAddress[];
  },
): OfferedService {
  const { consumer, rules, state, sniSuffix, gateways, directTo } = offer;
  const { id, spiffeIds } = service;
  return {
    id,
    spiffeIds,
    ports: service.ports.flatMap(({ target, ...port }): OfferedPort[] => {
      const { sni } = defined({ sni: sniOf(service, port, sniSuffix) });
      if (target === undefined || sni === undefined) return [];
      return [{ ...port, sni, gateways, direct: directTo(target) }];
    }),
    mayCall: mayCall({ service, rules }, consumer).slice(0, CATALOGUE_LIMITS.callersOfService),
    state,
  };
}
