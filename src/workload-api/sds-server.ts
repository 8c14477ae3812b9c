import { createHash } from 'node:crypto';
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import {
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  status,
} from '@grpc/grpc-js';
import {
  type AnyMessage,
  type DiscoveryRequest,
  type DiscoveryResponse,
  SECRET_TYPE_URL,
  secretDiscoveryService,
} from '../grpc/index.ts';
import { type Log, listenOnUnixSocket } from '../platform/index.ts';
import { WorkloadApiError } from './errors.ts';
import { encodeSecret, type SdsSecret } from './secret.ts';

/** How far one secret has come with the proxies that asked for it. */
export interface SdsAcknowledgement {
  /** What is handed out now; empty while there is nothing to hand out. */
  readonly currentVersion: string;
  /** One entry per stream that asked for the secret: the version it acknowledged last, or why it refused the last one. */
  readonly proxies: readonly { readonly acknowledged?: string; readonly refused?: string }[];
}

interface Subscription {
  sent?: string;
  acknowledged?: string;
  refused?: string;
}

interface Stream {
  readonly call: ServerDuplexStream<DiscoveryRequest, DiscoveryResponse>;
  readonly names: Map<string, Subscription>;
  nonce: number;
}

const MAX_NAMES_PER_STREAM = 64;
const MAX_STREAMS = 1024;

/**
 * Envoy's secret discovery service (SDS v3, state of the world) on a Unix socket. A secret is sent when it is asked for and whenever
 * it changes; one that does not exist yet is sent when it does. ACKs and NACKs are kept per stream.
 */
export class SdsServer {
  readonly #secrets: (name: string) => SdsSecret | undefined;
  readonly #log: Log;
  readonly #grpc = new Server({ 'grpc.max_receive_message_length': 1024 * 1024 });
  readonly #listener: NetServer;
  readonly #streams = new Set<Stream>();
  readonly #sockets = new Set<Socket>();

  constructor(options: { readonly secrets: (name: string) => SdsSecret | undefined; readonly log: Log }) {
    this.#secrets = options.secrets;
    this.#log = options.log;
    this.#grpc.addService(secretDiscoveryService, {
      StreamSecrets: (call: Stream['call']) => this.#stream(call),
      FetchSecrets: (
        call: ServerUnaryCall<DiscoveryRequest, DiscoveryResponse>,
        reply: sendUnaryData<DiscoveryResponse>,
      ) =>
        reply(null, this.#response(call.request.resource_names.slice(0, MAX_NAMES_PER_STREAM), '0').message),
    });
    const injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
    this.#listener = createServer((socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      injector.injectConnection(socket);
    });
    this.#listener.maxConnections = MAX_STREAMS;
  }

  /** Opens the socket with mode 0600. Throws `WorkloadApiError` `socket-in-use`, `socket-failed`. */
  async start(socketPath: string): Promise<void> {
    try {
      await listenOnUnixSocket(this.#listener, socketPath);
    } catch (cause) {
      const inUse = cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE';
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new WorkloadApiError(
        inUse ? 'socket-in-use' : 'socket-failed',
        `opening the SDS socket ${socketPath} failed: ${why}`,
        { cause },
      );
    }
  }

  /** Some secrets may have changed (all, when none is named): streams that hold another version get the new one. */
  pushChanged(names?: readonly string[]): void {
    for (const stream of this.#streams) {
      const concerned = [...stream.names.keys()].some((name) => !names || names.includes(name));
      if (concerned) this.#push(stream);
    }
  }

  acknowledged(name: string): SdsAcknowledgement {
    const secret = this.#secrets(name);
    return {
      currentVersion: secret ? versionOf([encodeSecret(secret)]) : '',
      proxies: [...this.#streams].flatMap(({ names }) => {
        const found = names.get(name);
        if (!found) return [];
        return [
          {
            ...(found.acknowledged === undefined ? {} : { acknowledged: found.acknowledged }),
            ...(found.refused === undefined ? {} : { refused: found.refused }),
          },
        ];
      }),
    };
  }

  async stop(): Promise<void> {
    for (const { call } of this.#streams) call.end();
    this.#grpc.forceShutdown();
    // Also those that never spoke, which the library does not know.
    for (const socket of this.#sockets) socket.destroy();
    if (this.#listener.listening) await new Promise<void>((resolve) => this.#listener.close(() => resolve()));
  }

  #stream(call: Stream['call']): void {
    if (this.#streams.size >= MAX_STREAMS) {
      call.destroy(Object.assign(new Error('too many streams'), { code: status.RESOURCE_EXHAUSTED }));
      return;
    }
    const stream: Stream = { call, names: new Map(), nonce: 0 };
    this.#streams.add(stream);
    const forget = () => this.#streams.delete(stream);
    call.on('data', (request: DiscoveryRequest) => this.#request(stream, request));
    call.on('end', () => {
      forget();
      call.end();
    });
    call.on('cancelled', forget);
    call.on('error', forget);
    call.on('close', forget);
  }

  #request(stream: Stream, request: DiscoveryRequest): void {
    if (request.type_url !== '' && request.type_url !== SECRET_TYPE_URL) {
      stream.call.destroy(
        Object.assign(new Error(`only ${SECRET_TYPE_URL} is served`), { code: status.INVALID_ARGUMENT }),
      );
      return;
    }
    if (request.resource_names.length > MAX_NAMES_PER_STREAM) {
      stream.call.destroy(
        Object.assign(new Error('too many resource names'), { code: status.INVALID_ARGUMENT }),
      );
      return;
    }
    // An answer to an older response says nothing about the newest one.
    if (request.response_nonce !== '' && request.response_nonce === stream.nonce.toString())
      this.#settle(stream, request);
    const wanted = new Set(request.resource_names);
    for (const name of stream.names.keys()) if (!wanted.has(name)) stream.names.delete(name);
    for (const name of wanted) if (!stream.names.has(name)) stream.names.set(name, {});
    this.#push(stream);
  }

  #settle(stream: Stream, { error_detail: error }: DiscoveryRequest): void {
    for (const [name, subscription] of stream.names) {
      if (subscription.sent === undefined) continue;
      if (error) {
        subscription.refused = error.message;
        this.#log.warn('SDS secret refused by the proxy', { secret: name, reason: error.message });
      } else {
        subscription.acknowledged = subscription.sent;
        delete subscription.refused;
      }
    }
  }

  /** Sends all of a stream's secrets when one of them is not the version it was sent last. */
  #push(stream: Stream): void {
    const { message, versions } = this.#response([...stream.names.keys()], (stream.nonce + 1).toString());
    const changed = [...versions].some(([name, version]) => stream.names.get(name)?.sent !== version);
    if (!changed) return;
    stream.nonce += 1;
    for (const [name, version] of versions) {
      const subscription = stream.names.get(name);
      if (subscription) subscription.sent = version;
    }
    stream.call.write(message);
  }

  #response(names: readonly string[], nonce: string) {
    const versions = new Map<string, string>();
    const resources = names.flatMap((name) => {
      const secret = this.#secrets(name);
      if (!secret) return [];
      const resource = encodeSecret(secret);
      versions.set(name, versionOf([resource]));
      return [resource];
    });
    const message: DiscoveryResponse = {
      version_info: versionOf(resources),
      resources,
      type_url: SECRET_TYPE_URL,
      nonce,
    };
    return { message, versions };
  }
}

/** A version is what the content is, so equal content is never a new version, not even after a restart. */
function versionOf(resources: readonly AnyMessage[]): string {
  const hash = createHash('sha256');
  for (const { value } of resources) hash.update(value);
  return hash.digest('hex').slice(0, 16);
}
