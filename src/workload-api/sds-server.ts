import {
  type sendUnaryData,
  type Server,
  type ServerDuplexStream,
  type ServerUnaryCall,
} from '@grpc/grpc-js';
import {
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  type DiscoveryRequest,
  type DiscoveryResponse,
  SECRET_TYPE_URL,
  secretDiscoveryService,
} from '../grpc/index.ts';
import { defined } from '../objects/index.ts';
import type { Log } from '../platform/index.ts';
import { encodedSecret } from './encoded-secret.ts';
import { type GrpcService, GrpcSocket } from './grpc-socket.ts';
import { DeltaStream } from './sds-delta.ts';
import { refusalOf, responseOf, StateOfTheWorldStream } from './sds-state-of-the-world.ts';
import type { SdsEvent, SdsStream, SdsStreamParts } from './sds-stream.ts';
import type { SdsSecret } from './secret.ts';
import { refuse, TOO_MANY } from './state-streams.ts';

/** The progress of one secret with the proxies that asked for it. */
export interface SdsAcknowledgement {
  /** The version that is handed out now; empty while there is none. */
  readonly currentVersion: string;
  /**
   * One entry per stream that asked for the secret: the version it acknowledged last, or why it
   * refused the last one.
   */
  readonly proxies: readonly { readonly acknowledged?: string; readonly refused?: string }[];
}

/** One proxy and one secret that it asked for. */
export interface SdsProxySecret {
  /** The proxy's own name for itself, such as Envoy's node ID. */
  readonly proxy: string;
  readonly secret: string;
  /** Whether the proxy has acknowledged the present version. */
  readonly current: boolean;
  /** Why it refused the newest version that it received. It continues with the one before. */
  readonly refused?: string;
}

/** The parts of a server of secrets. */
export interface SdsServerOptions {
  readonly secrets: (name: string) => SdsSecret | undefined;
  /** The names for a proxy that names none; default none. */
  readonly everyName?: () => readonly string[];
  /** Called for each response and each answer to one. */
  readonly observe?: (event: SdsEvent) => void;
  /** Other services on the same socket. */
  readonly beside?: readonly GrpcService[];
  /** Streams at once, and connections at once; default 1024. */
  readonly maxStreams?: number;
  readonly log: Log;
}

const MAX_STREAMS = 1024;

/**
 * Envoy's secret discovery service (SDS v3, state of the world and incremental) on a Unix socket. A
 * secret is sent when a proxy asks for it and whenever it changes; a missing one is sent once it
 * exists. ACKs and NACKs are kept per stream.
 */
export class SdsServer {
  readonly #parts: SdsStreamParts;
  readonly #log: Log;
  readonly #socket: GrpcSocket;
  readonly #maxStreams: number;
  readonly #streams = new Set<SdsStream>();

  constructor(options: SdsServerOptions) {
    const { secrets, everyName = () => [], observe, beside = [], maxStreams = MAX_STREAMS, log } = options;
    this.#log = log;
    this.#maxStreams = maxStreams;
    const resource = (name: string) => {
      const secret = secrets(name);
      return secret && encodedSecret(secret);
    };
    this.#parts = {
      typeUrl: SECRET_TYPE_URL,
      resource,
      isComplete: false,
      everyName,
      observe: (event, stream, reason) => {
        observe?.(event);
        if (event === 'refused') this.#logRefusal(stream, reason);
      },
    };
    this.#socket = new GrpcSocket([{ addTo: (server) => this.#addTo(server) }, ...beside], maxStreams);
  }

  /**
   * Opens the socket, with mode 0600 unless another is given. Throws `WorkloadApiError`
   * `socket-in-use`, `socket-failed`.
   */
  start(socketPath: string, mode?: number): Promise<void> {
    return this.#socket.start(socketPath, mode);
  }

  /**
   * Opens the socket again after its file was removed. Connected proxies stay connected. Throws as
   * `start`.
   */
  reopen(): Promise<void> {
    return this.#socket.reopen();
  }

  /**
   * Sends changed secrets (all, when none is named) to streams that hold another version. Returns
   * whether any stream did.
   */
  pushChanged(names?: readonly string[]): boolean {
    let isSent = false;
    for (const stream of this.#streams) {
      if (names && !names.some((name) => stream.subscriptions.has(name))) continue;
      if (stream.push()) isSent = true;
    }
    return isSent;
  }

  acknowledged(name: string): SdsAcknowledgement {
    return {
      currentVersion: this.#versionOf(name) ?? '',
      proxies: [...this.#streams].flatMap(({ subscriptions }) => {
        const found = subscriptions.get(name);
        if (!found) return [];
        return [
          {
            ...defined({ acknowledged: found.acknowledged, refused: found.refused }),
          },
        ];
      }),
    };
  }

  /** Open streams, one per proxy as a rule. */
  get streams(): number {
    return this.#streams.size;
  }

  /** Every existing secret that a connected proxy asked for, with its progress there. */
  proxySecrets(): readonly SdsProxySecret[] {
    return [...this.#streams].flatMap(({ nodeId, subscriptions }) =>
      [...subscriptions].flatMap(([secret, { acknowledged, refused }]) => {
        const version = this.#versionOf(secret);
        if (version === undefined) return [];
        const current = acknowledged === version && refused === undefined;
        return [{ proxy: nodeId, secret, current, ...defined({ refused }) }];
      }),
    );
  }

  async stop(): Promise<void> {
    for (const stream of this.#streams) stream.end();
    await this.#socket.stop();
  }

  #versionOf(name: string): string | undefined {
    return this.#parts.resource(name)?.version;
  }

  #addTo(server: Server): void {
    server.addService(secretDiscoveryService, {
      StreamSecrets: (call: ServerDuplexStream<DiscoveryRequest, DiscoveryResponse>) =>
        this.#open(call, () => new StateOfTheWorldStream(call, this.#parts)),
      DeltaSecrets: (call: ServerDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>) =>
        this.#open(call, () => new DeltaStream(call, this.#parts)),
      FetchSecrets: (
        { request }: ServerUnaryCall<DiscoveryRequest, DiscoveryResponse>,
        reply: sendUnaryData<DiscoveryResponse>,
      ) => {
        const problem = refusalOf(SECRET_TYPE_URL, request.type_url, request.resource_names.length);
        const named = request.resource_names;
        const names = named.length > 0 ? named : this.#parts.everyName();
        if (problem) reply(problem);
        else reply(null, responseOf(names, this.#parts, '0').message);
      },
    });
  }

  #open<Request, Response>(call: ServerDuplexStream<Request, Response>, create: () => SdsStream): void {
    if (this.#streams.size >= this.#maxStreams) {
      refuse(call, TOO_MANY);
      return;
    }
    const stream = create();
    this.#streams.add(stream);
    const forget = () => this.#streams.delete(stream);
    call.on('end', () => {
      forget();
      call.end();
    });
    call.on('cancelled', forget);
    call.on('error', forget);
    call.on('close', forget);
  }

  #logRefusal({ nodeId, subscriptions }: SdsStream, reason: string | undefined): void {
    const secrets = [...subscriptions]
      .filter(([, { refused }]) => refused !== undefined)
      .map(([name]) => name);
    this.#log.warn('SDS secret refused by the proxy', { proxy: nodeId, secrets, reason });
  }
}
