import {
  EXPORTED_SERVICE_LIST_URL,
  exportedServiceListMessage,
  PEERING_SERVER_ADDRESSES_URL,
  PEERING_TRUST_BUNDLE_URL,
  peeringServerAddressesMessage,
  peeringTrustBundleMessage,
} from '../../../grpc/index.ts';
import { pemFromCertificates, type TrustDomain } from '../../../spiffe/index.ts';
import type { OwnRoot } from '../certificate-authority.ts';
import type { ConsulState } from './consul-state.ts';
import type { PeerResource } from './peer-stream-session.ts';

/**
 * What a cluster has of one resource type for the named peer; nothing of a type that is not
 * simulated.
 */
export function peerResources(
  resourceUrl: string,
  peerName: string,
  cluster: {
    readonly state: ConsulState;
    readonly trustDomain: TrustDomain;
    readonly ownRoots: () => readonly OwnRoot[];
    readonly serverAddress: () => string;
  },
): PeerResource[] {
  const any = (value: Buffer) => ({ type_url: resourceUrl, value });
  switch (resourceUrl) {
    case PEERING_TRUST_BUNDLE_URL: {
      const bundle = {
        trust_domain: cluster.trustDomain,
        peer_name: '',
        partition: '',
        root_pems: cluster.ownRoots().map((root) => pemFromCertificates([root.authority.der])),
        exported_partition: '',
      };
      return [{ id: 'roots', value: any(peeringTrustBundleMessage.encode(bundle)) }];
    }
    case EXPORTED_SERVICE_LIST_URL: {
      const services = exportedServices(cluster.state, peerName);
      return [{ id: 'exported-service-list', value: any(exportedServiceListMessage.encode({ services })) }];
    }
    case PEERING_SERVER_ADDRESSES_URL: {
      const addresses = [cluster.serverAddress()];
      return [{ id: 'server-addrs', value: any(peeringServerAddressesMessage.encode({ addresses })) }];
    }
    default:
      return [];
  }
}

/** The services that `exported-services` gives to a peer, by name. */
export function exportedServices(state: ConsulState, peerName: string): string[] {
  const services = state.configEntry('exported-services', 'default')?.body['Services'];
  if (!Array.isArray(services)) return [];
  return services.flatMap((service: unknown) => {
    const { Name, Consumers } = Object(service) as { Name?: unknown; Consumers?: unknown };
    const consumed =
      Array.isArray(Consumers) &&
      Consumers.some((consumer: unknown) => (Object(consumer) as { Peer?: unknown }).Peer === peerName);
    return consumed && typeof Name === 'string' ? [Name] : [];
  });
}
