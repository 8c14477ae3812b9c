import type { Clock, Log, Random } from '../../platform/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import { AdapterState } from '../contract/adapter-state.ts';
import { assembleAdapter } from '../contract/assemble-adapter.ts';
import type { MeshAdapter } from '../contract/mesh-adapter.ts';
import { createKubernetesMeshTrusts, type KumaKubernetesAccess } from './kubernetes-mesh-trusts.ts';
import { SecondLook } from '../contract/second-look.ts';
import { ownTrustOf, readOwnTrust } from './read-own-trust.ts';
import { type KumaRestAccess, KumaRestApi } from './rest-api.ts';
import { createRestMeshTrusts } from './rest-mesh-trusts.ts';
import { createKumaServices } from './services.ts';
import { readPresentTrust, writeForeignTrust } from './write-foreign-trust.ts';

export interface KumaAdapterOptions {
  readonly access: KumaRestAccess | KumaKubernetesAccess;
  /** The mesh, `default` in most installations. */
  readonly mesh: string;
  /** The own trust domain; needed where the mesh has several, one for each zone for instance. */
  readonly trustDomain?: TrustDomain | undefined;
  /** MeshTrusts under this prefix that also carry our label are ours. */
  readonly namePrefix: string;
  /**
   * Label `kuma.io/origin` of what we make: `zone` at the control plane of a federated zone,
   * `global` at a global one.
   */
  readonly origin?: 'zone' | 'global' | undefined;
  /** Write imports by a way that Kuma does not document; default false. */
  readonly experimentalImports?: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/**
 * Kuma: roots from the MeshTrusts made from a MeshIdentity, one MeshTrust of ours for each foreign
 * trust domain.
 */
export function createKumaAdapter(options: KumaAdapterOptions): MeshAdapter {
  const { access, mesh, namePrefix, origin, trustDomain: expected, clock, random, log } = options;
  const state = new AdapterState({ clock, log });
  const trusts =
    access.kind === 'rest'
      ? createRestMeshTrusts(new KumaRestApi(access, mesh, clock), access.pollMs)
      : createKubernetesMeshTrusts(access, mesh, clock);
  const secondLook = new SecondLook({
    look: async (signal) => ownTrustOf(await trusts.list(signal), expected).own,
    ...(access.kind === 'rest' ? { pollMs: access.pollMs } : {}),
    onTrouble: (error) => state.trouble('own-trust', error),
    clock,
  });
  const writer = { trusts, marks: { mesh, namePrefix, origin }, expected, clock };
  return assembleAdapter({
    kind: 'kuma',
    scope: 'per-trust-domain',
    state,
    read: (report, signal) =>
      readOwnTrust({ trusts, marks: writer.marks, expected, state, report, clock, random, signal }),
    secondLook,
    present: (signal) => readPresentTrust(writer, signal),
    write: (comparison) => writeForeignTrust(comparison, writer),
    retry: { clock, random },
    services: createKumaServices({
      access,
      mesh,
      origin,
      experimentalImports: options.experimentalImports ?? false,
      own: async (signal) => ownTrustOf(await trusts.list(signal), expected).own.trustDomain,
      clock,
      random,
    }),
  });
}
