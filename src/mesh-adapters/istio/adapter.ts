import type { Clock, Log, Random } from '../../platform/index.ts';
import { AdapterState } from '../contract/adapter-state.ts';
import { assembleAdapter } from '../contract/assemble-adapter.ts';
import type { MeshAdapter } from '../contract/mesh-adapter.ts';
import { Anchors } from '../contract/anchors.ts';
import type { KubernetesSource } from '../kubernetes/kubernetes-access.ts';
import { KubernetesClient } from '../kubernetes/kubernetes-client.ts';
import { SecondLook } from '../contract/second-look.ts';
import { createIstioServices } from './services.ts';
import { fetchOwnTrust, readOwnTrust } from './read-own-trust.ts';
import { type IstioWriter, readPresentTrust, writeForeignTrust } from './write-foreign-trust.ts';

export interface IstioAdapterOptions {
  readonly kubernetes: KubernetesSource;
  /** Where the mesh ConfigMap is, `istio-system` in most installations. */
  readonly systemNamespace: string;
  /** The mesh ConfigMap, `istio` or `istio-<revision>`. */
  readonly meshConfigMap: string;
  /** The ConfigMap that istiod writes its own roots into. */
  readonly rootConfigMap: { readonly namespace: string; readonly name: string };
  /** Where imports are written; by default the system namespace. */
  readonly servicesNamespace?: string | undefined;
  /** Also write the mesh ConfigMaps of the other revisions; default true. */
  readonly allRevisions?: boolean;
  /**
   * The operator accepts that foreign roots are written unchanged and can speak for every trust
   * domain.
   */
  readonly acceptUnnarrowed?: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/**
 * Istio: roots from `istio-ca-root-cert`, trust domain from the mesh ConfigMap, foreign trust into
 * its `caCertificates`. Because Istio keeps one merged pool, foreign roots become narrowed anchors.
 * See docs/meshes/istio.md.
 */
export function createIstioAdapter(options: IstioAdapterOptions): MeshAdapter {
  const { clock, random, log, acceptUnnarrowed: unnarrowed = false, allRevisions = true } = options;
  const state = new AdapterState({ clock, log });
  const client = new KubernetesClient({ source: options.kubernetes, clock });
  const objects = {
    mesh: { namespace: options.systemNamespace, name: options.meshConfigMap },
    roots: options.rootConfigMap,
  };
  const anchors = new Anchors({ unnarrowed });
  const secondLook = new SecondLook({
    look: (signal) => fetchOwnTrust(client, objects, signal),
    onTrouble: (error) => state.trouble('own-trust', error),
    clock,
  });
  const writer: IstioWriter = { client, objects, allRevisions, anchors, unnarrowed, clock };
  return assembleAdapter({
    kind: 'istio',
    scope: 'merged',
    state,
    read: (report, signal) => readOwnTrust({ client, objects, state, report, clock, random, signal }),
    secondLook,
    present: (signal) => readPresentTrust(writer, signal),
    write: (comparison) => writeForeignTrust(comparison, writer),
    retry: { clock, random },
    services: createIstioServices({
      client,
      meshConfigMap: objects.mesh,
      namespace: options.servicesNamespace ?? options.systemNamespace,
      clock,
      random,
    }),
  });
}
