import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Log } from '../../../platform/index.ts';
import { pemFromCertificates, spiffeIdOf } from '../../../spiffe/index.ts';
import type { ControlStatus, ForgedIdentity, RotationStep } from '../control-status.ts';
import { ControlPlane } from '../control-plane.ts';
import { SimulatedMeshError } from '../errors.ts';
import { VALIDATION_SECRET, type WorkloadDiscovery } from '../workload-socket.ts';
import { istioCertificateProfile } from './certificate-profile.ts';
import { KubernetesServer } from './kubernetes-server.ts';
import {
  type ForeignAnchors,
  mergedValidationSecret,
  NO_FOREIGN_ANCHORS,
  readForeignAnchors,
} from './merged-trust.ts';
import { type MeshConfig, MeshConfigError, parseMeshConfig } from './mesh-config.ts';
import type { ObjectStore } from './object-store.ts';
import type { SimulatedIstioOptions } from './options.ts';
import { accessFor } from './discovery/access-rules.ts';
import { servicesFor } from './discovery/service-registry.ts';
import { applyManifests } from './apply-manifests.ts';
import {
  AUTHORIZATION_POLICIES,
  CONFIG_MAPS,
  DESTINATION_RULES,
  type ResourceType,
  SERVICE_ENTRIES,
} from './resource-types.ts';
import { MESH_CONFIG_MAP, meshConfigText, publishOwnRoots, seedCluster } from './seed.ts';
import { podLabels, seedWorkloads } from './seed-workloads.ts';

const DEFAULT_SYSTEM_NAMESPACE = 'istio-system';
/** What changes the proxies' surroundings. */
const DISCOVERED: ReadonlySet<ResourceType> = new Set([
  SERVICE_ENTRIES,
  DESTINATION_RULES,
  AUTHORIZATION_POLICIES,
]);

/**
 * An Istio-flavoured control plane: the objects of a cluster behind the Kubernetes API, istiod's CA,
 * and what istiod makes of the mesh config, of ServiceEntries, DestinationRules and
 * AuthorizationPolicies for its proxies. An adapter cannot distinguish it
 * from the product.
 */
export class SimulatedIstio {
  readonly #options: SimulatedIstioOptions;
  readonly #log: Log;
  #parts: { readonly plane: ControlPlane; readonly kubernetes: KubernetesServer } | undefined;
  #config: MeshConfig;
  #anchors: ForeignAnchors = NO_FOREIGN_ANCHORS;
  #refused: MeshConfigError | undefined;

  constructor(options: SimulatedIstioOptions) {
    this.#options = options;
    this.#log = options.log.with({ mesh: 'istio', trustDomain: options.trustDomain });
    this.#config = {
      trustDomain: options.trustDomain,
      trustDomainAliases: options.trustDomainAliases ?? [],
      caCertificates: [],
    };
  }

  /**
   * Brings up the CA, the Kubernetes API (and writes its kubeconfigs), the workloads' sockets and
   * the control socket, then logs `control plane ready`. Throws `SimulatedMeshError` `ca-…`,
   * `state-malformed`; the system's error for a port or socket that is taken.
   */
  async start(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      // Stop the parts that had started before the failure, to free their ports and sockets.
      await this.stop();
      throw error;
    }
  }

  async #start(): Promise<void> {
    const { folder, trustDomain, workloads, clock, random, kubernetes: listen } = this.#options;
    const systemNamespace = this.#options.systemNamespace ?? DEFAULT_SYSTEM_NAMESPACE;
    const kubernetes = await KubernetesServer.open({
      ...listen,
      folder: join(folder, 'kubernetes'),
      agentKubeconfigFile: this.#options.kubeconfigFile,
      adminKubeconfigFile: this.#options.adminKubeconfigFile,
      meshConfigMap: { namespace: systemNamespace, name: MESH_CONFIG_MAP },
      clock,
      random,
      log: this.#log,
    });
    const plane = await ControlPlane.open({
      kind: 'istio',
      folder,
      trustDomain,
      profile: istioCertificateProfile,
      workloads: workloads.map(({ name, namespace, account, sdsSocket }) => ({
        name,
        id: spiffeIdOf(trustDomain, `/ns/${namespace}/sa/${account}`),
        sdsSocket,
      })),
      svidTtlMs: this.#options.svidTtlMs,
      controlSocket: this.#options.controlSocket,
      effect: {
        validationSecret: (ownRoots) =>
          mergedValidationSecret({
            name: VALIDATION_SECRET,
            ownRoots,
            anchors: this.#anchors,
            config: this.#config,
          }),
        foreign: () => this.#anchors.foreign,
        foreignBundles: () => this.#anchors.bundles,
        refused: () => this.#refused,
        discovery: (name) => this.#discoveryOf(name, kubernetes.store, systemNamespace),
      },
      clock,
      log: this.#log,
    });
    this.#parts = { plane, kubernetes };
    const { store } = kubernetes;
    seedCluster(store, {
      systemNamespace,
      namespaces: workloads.map(({ namespace }) => namespace),
      trustDomain,
      trustDomainAliases: this.#options.trustDomainAliases ?? [],
    });
    if (this.#options.manifestsFile !== undefined) await applyManifests(store, this.#options.manifestsFile);
    seedWorkloads(store, { systemNamespace, workloads });
    const publish = () =>
      publishOwnRoots(store, pemFromCertificates(plane.authority.roots().map((root) => root.authority.der)));
    publish();
    plane.authority.onChange(publish);
    this.#takeMeshConfig(meshConfigText(store, systemNamespace));
    store.onChange(({ resource, object: { metadata } }) => {
      if (DISCOVERED.has(resource)) plane.discoveryChanged();
      if (resource !== CONFIG_MAPS || metadata.namespace !== systemNamespace) return;
      if (metadata.name !== MESH_CONFIG_MAP) return;
      this.#takeMeshConfig(meshConfigText(store, systemNamespace));
      plane.trustChanged();
    });
    await kubernetes.start();
    await plane.start();
    await plane.openControl();
    this.#log.info('control plane ready', {
      kubernetes: `https://${listen.host}:${this.kubernetesAddress().port}`,
      kubeconfig: this.#options.kubeconfigFile,
      controlSocket: this.#options.controlSocket,
    });
  }

  /** Ends every watch and stream and closes the sockets; what was acknowledged is on disk. */
  async stop(): Promise<void> {
    await this.#parts?.plane.stop();
    await this.#parts?.kubernetes.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Where the Kubernetes API listens. Throws `not-started`. */
  kubernetesAddress(): AddressInfo {
    return this.#started().kubernetes.address();
  }

  /** The answer of the control socket's `GET /status`. Throws `not-started`. */
  status(): ControlStatus {
    return this.#started().plane.status();
  }

  /** One step of a root rotation. Throws `rotation-phase`, `not-started`. */
  rotate(step: RotationStep): Promise<ControlStatus> {
    return this.#started().plane.rotate(step);
  }

  /** Signs any SPIFFE ID: the demonstration's insider attack, see `ControlPlane.forge`. */
  forge(id: string): Promise<ForgedIdentity> {
    return this.#started().plane.forge(id);
  }

  /**
   * Forgets the API's past changes, so that a watch from an older version gets 410, as after a
   * compaction of etcd.
   */
  compact(): void {
    this.#started().kubernetes.store.compact();
  }

  #started() {
    if (this.#parts) return this.#parts;
    throw new SimulatedMeshError('not-started', 'the simulated Istio is not started');
  }

  /** What istiod makes of the objects for the proxy of one workload. */
  #discoveryOf(name: string, store: ObjectStore, rootNamespace: string): WorkloadDiscovery {
    const { workloads, trustDomain } = this.#options;
    const workload = workloads.find((each) => each.name === name);
    if (!workload) throw new TypeError('unreachable: only workloads of the options have sockets');
    const { namespace } = workload;
    const { services, skipped } = servicesFor(namespace, { store, workloads, trustDomain });
    for (const each of skipped) this.#log.debug('service not given to proxies', { ...each });
    return {
      services,
      access: accessFor({ namespace, labels: podLabels(workload) }, { store, rootNamespace }),
    };
  }

  /**
   * Does what istiod does when the mesh config changes. A config that does not parse changes
   * nothing. A bad certificate changes the accepted trust domains, which are read from the config
   * itself, and keeps the earlier anchors.
   */
  #takeMeshConfig(text: string | undefined): void {
    this.#refused = undefined;
    try {
      this.#config = parseMeshConfig(text ?? '');
      const anchors = readForeignAnchors(this.#config);
      this.#anchors = this.#options.multiroot === false ? NO_FOREIGN_ANCHORS : anchors;
      for (const { spiffeBundleUrl } of this.#config.caCertificates) {
        if (spiffeBundleUrl !== undefined)
          this.#log.warn('bundle URL not polled by the simulation', { spiffeBundleUrl });
      }
      this.#log.info('mesh config taken', { foreign: this.#anchors.foreign });
    } catch (error) {
      if (!(error instanceof MeshConfigError)) throw error;
      this.#refused = error;
      this.#log.error('mesh config refused', { error });
    }
  }
}
