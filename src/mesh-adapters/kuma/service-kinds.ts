import type { OwnedKind } from '../kubernetes/owned-object.ts';

const kuma = (kind: string, plural: string): OwnedKind => ({
  kind,
  plural,
  group: 'kuma.io',
  versions: ['v1alpha1'],
});

export const MESH_SERVICE = kuma('MeshService', 'meshservices');
export const MESH_IDENTITY = kuma('MeshIdentity', 'meshidentities');
export const MESH_TRAFFIC_PERMISSION = kuma('MeshTrafficPermission', 'meshtrafficpermissions');
export const MESH_TLS = kuma('MeshTLS', 'meshtlses');
export const DATAPLANE = kuma('Dataplane', 'dataplanes');
/** In the order of writing: an identity is there before a proxy that has it. */
export const IMPORT_KINDS = [MESH_IDENTITY, DATAPLANE, MESH_SERVICE];
