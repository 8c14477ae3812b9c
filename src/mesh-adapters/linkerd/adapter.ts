import type { Clock, Log, Random } from '../../platform/index.ts';
import type { Pin, TrustDomain } from '../../spiffe/index.ts';
import { AdapterState } from '../contract/adapter-state.ts';
import { assembleAdapter } from '../contract/assemble-adapter.ts';
import { Anchors } from '../contract/anchors.ts';
import { readPresentTrust } from '../kubernetes/foreign-objects.ts';
import type { KubernetesSource } from '../kubernetes/kubernetes-access.ts';
import { KubernetesClient } from '../kubernetes/kubernetes-client.ts';
import type { MeshAdapter } from '../contract/mesh-adapter.ts';
import { PodAnchors } from './pod-anchors.ts';
import { SecondLook } from '../contract/second-look.ts';
import { fetchOwnTrust, linkerdObjects, readOwnTrust } from './read-own-trust.ts';
import { sourcePlace } from './render.ts';
import { createLinkerdServices } from './services.ts';
import { type LinkerdWriter, writeForeignTrust } from './write-foreign-trust.ts';

export interface LinkerdAdapterOptions {
  readonly kubernetes: KubernetesSource;
  /** Linkerd's own namespace, `linkerd` in most installations. */
  readonly namespace: string;
  /**
   * The namespace in which trust-manager looks for its sources, `cert-manager` in most
   * installations.
   */
  readonly trustNamespace: string;
  /** The Bundle with the ConfigMap of Linkerd's anchors as its target. */
  readonly bundle: string;
  readonly namePrefix: string;
  /** The anchors that are the mesh's own; without any those that do not bear our mark. */
  readonly pins: readonly Pin[];
  /**
   * Trust domains of other Linkerd meshes: only their DNS identities can be narrowed for rustls.
   */
  readonly linkerdPeers: readonly TrustDomain[];
  /**
   * The operator accepts that foreign roots are written unchanged. Then `pins` must name the own
   * ones.
   */
  readonly acceptUnnarrowed?: boolean;
  /** The operator knows that peers take callers with a DNS name and no SPIFFE ID; default false. */
  readonly acceptDnsClients?: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/**
 * Linkerd with trust-manager: own anchors from `linkerd-identity-trust-roots`, foreign ones through
 * ConfigMaps of ours that are a source of the Bundle. Because Linkerd keeps one merged pool,
 * foreign anchors are narrowed to DNS names. See docs/meshes/linkerd.md.
 */
export function createLinkerdAdapter(options: LinkerdAdapterOptions): MeshAdapter {
  const { namespace, trustNamespace, bundle, namePrefix, pins, clock, random, log } = options;
  const unnarrowed = options.acceptUnnarrowed ?? false;
  const state = new AdapterState({ clock, log });
  const client = new KubernetesClient({ source: options.kubernetes, clock });
  const objects = linkerdObjects(namespace);
  const secondLook = new SecondLook({
    look: (signal) => fetchOwnTrust(client, objects, pins, signal),
    onTrouble: (error) => state.trouble('own-trust', error),
    clock,
  });
  const writer: LinkerdWriter = {
    client,
    objects,
    trustNamespace,
    bundle,
    namePrefix,
    pins,
    anchors: new Anchors({ unnarrowed, identities: 'dns' }),
    podAnchors: new PodAnchors(),
    linkerdPeers: new Set(options.linkerdPeers),
    unnarrowed,
    clock,
  };
  return assembleAdapter({
    kind: 'linkerd',
    scope: 'merged',
    state,
    read: (report, signal) => readOwnTrust({ client, objects, pins, state, report, clock, random, signal }),
    secondLook,
    present: (signal) => readPresentTrust(client, sourcePlace(trustNamespace, namePrefix), signal),
    write: (comparison) => writeForeignTrust(comparison, writer),
    retry: { clock, random },
    services: createLinkerdServices({
      client,
      objects,
      acceptDnsClients: options.acceptDnsClients ?? false,
      clock,
      random,
    }),
  });
}
