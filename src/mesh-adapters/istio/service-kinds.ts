import type { OwnedKind } from '../kubernetes/owned-object.ts';

/** Istio serves `v1` from 1.22 on. */
const networking = (kind: string, plural: string): OwnedKind => ({
  kind,
  plural,
  group: 'networking.istio.io',
  versions: ['v1', 'v1beta1'],
});
const security = (kind: string, plural: string): OwnedKind => ({
  kind,
  plural,
  group: 'security.istio.io',
  versions: ['v1', 'v1beta1'],
});
const core = (kind: string, plural: string): OwnedKind => ({ kind, plural, group: '', versions: ['v1'] });

export const SERVICE_ENTRY = networking('ServiceEntry', 'serviceentries');
export const DESTINATION_RULE = networking('DestinationRule', 'destinationrules');
export const WORKLOAD_ENTRY = networking('WorkloadEntry', 'workloadentries');
export const AUTHORIZATION_POLICY = security('AuthorizationPolicy', 'authorizationpolicies');
export const PEER_AUTHENTICATION = security('PeerAuthentication', 'peerauthentications');
export const SERVICE = core('Service', 'services');
export const POD = core('Pod', 'pods');
