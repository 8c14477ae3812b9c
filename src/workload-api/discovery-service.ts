import type { Server, ServerDuplexStream } from '@grpc/grpc-js';
import {
  type AnyMessage,
  CLUSTER_TYPE_URL,
  clusterDiscoveryService,
  type DiscoveryRequest,
  type DiscoveryResponse,
  EXTENSION_CONFIG_TYPE_URL,
  extensionConfigDiscoveryService,
} from '../grpc/index.ts';
import type { Log } from '../platform/index.ts';
import { versionOf } from './encoded-secret.ts';
import type { GrpcService } from './grpc-socket.ts';
import { StateOfTheWorldStream } from './sds-state-of-the-world.ts';
import { refuse, TOO_MANY } from './state-streams.ts';

type DiscoveryCall = ServerDuplexStream<DiscoveryRequest, DiscoveryResponse>;

/** What a proxy is to know, by the name of each resource. */
export type NamedResources = ReadonlyMap<string, AnyMessage>;

const KINDS = {
  cluster: {
    typeUrl: CLUSTER_TYPE_URL,
    isComplete: true,
    addTo: (server: Server, open: (call: DiscoveryCall) => void) =>
      server.addService(clusterDiscoveryService, { StreamClusters: open }),
  },
  'extension config': {
    typeUrl: EXTENSION_CONFIG_TYPE_URL,
    isComplete: false,
    addTo: (server: Server, open: (call: DiscoveryCall) => void) =>
      server.addService(extensionConfigDiscoveryService, { StreamExtensionConfigs: open }),
  },
} as const;

const MAX_STREAMS = 64;

/**
 * Envoy's discovery of clusters (CDS) or of the configs of filters (ECDS), for the proxies of one
 * socket. Sends the resources when a proxy asks, and again after a change.
 */
export class DiscoveryService implements GrpcService {
  readonly #kind: keyof typeof KINDS;
  readonly #resources: () => NamedResources;
  readonly #log: Log;
  readonly #streams = new Set<StateOfTheWorldStream>();

  constructor(options: {
    readonly kind: keyof typeof KINDS;
    readonly resources: () => NamedResources;
    readonly log: Log;
  }) {
    this.#kind = options.kind;
    this.#resources = options.resources;
    this.#log = options.log;
  }

  addTo(server: Server): void {
    KINDS[this.#kind].addTo(server, (call) => this.#open(call));
  }

  /** Sends what changed to every proxy that holds another version. */
  pushChanged(): void {
    for (const stream of this.#streams) stream.push();
  }

  /** Ends every stream, before the socket stops. */
  end(): void {
    for (const stream of this.#streams) stream.end();
  }

  #open(call: DiscoveryCall): void {
    if (this.#streams.size >= MAX_STREAMS) {
      refuse(call, TOO_MANY);
      return;
    }
    const { typeUrl, isComplete } = KINDS[this.#kind];
    const stream = new StateOfTheWorldStream(call, {
      typeUrl,
      isComplete,
      resource: (name) => {
        const resource = this.#resources().get(name);
        return resource && { resource, version: versionOf([resource]) };
      },
      everyName: () => [...this.#resources().keys()],
      observe: (event, { nodeId }, reason) => {
        if (event === 'refused')
          this.#log.warn(`${this.#kind} refused by the proxy`, {
            code: 'resource-refused',
            proxy: nodeId,
            reason,
          });
      },
    });
    this.#streams.add(stream);
    const forget = () => this.#streams.delete(stream);
    call.on('end', () => {
      forget();
      call.end();
    });
    for (const event of ['cancelled', 'error', 'close']) call.on(event, forget);
  }
}
