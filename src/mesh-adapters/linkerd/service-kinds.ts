import type { OwnedKind } from '../kubernetes/owned-object.ts';

const policy = (kind: string, plural: string, version: string): OwnedKind => ({
  kind,
  plural,
  group: 'policy.linkerd.io',
  versions: [version],
});
const core = (kind: string, plural: string): OwnedKind => ({ kind, plural, group: '', versions: ['v1'] });

export const SERVICE = core('Service', 'services');
export const POD = core('Pod', 'pods');
export const EXTERNAL_WORKLOAD: OwnedKind = {
  kind: 'ExternalWorkload',
  plural: 'externalworkloads',
  group: 'workload.linkerd.io',
  versions: ['v1beta1'],
};
const SERVER = policy('Server', 'servers', 'v1beta3');
const HTTP_ROUTE = policy('HTTPRoute', 'httproutes', 'v1beta3');
const MESH_TLS_AUTHENTICATION = policy('MeshTLSAuthentication', 'meshtlsauthentications', 'v1alpha1');
const AUTHORIZATION_POLICY = policy('AuthorizationPolicy', 'authorizationpolicies', 'v1alpha1');
/** In the order of writing: a Server denies before a policy lets callers in. */
export const ACCESS_KINDS = [SERVER, HTTP_ROUTE, MESH_TLS_AUTHENTICATION, AUTHORIZATION_POLICY];
