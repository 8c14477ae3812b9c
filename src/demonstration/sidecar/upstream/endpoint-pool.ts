import { Agent, type ClientRequest, request, type RequestOptions } from 'node:http';
import type { TLSSocket } from 'node:tls';
import {
  connectMtls,
  type ConnectionRegistry,
  type PeerVerifier,
  refusalFields,
  type SvidSource,
  type VerifiedPeer,
} from '../../../mtls/index.ts';
import type { Log } from '../../../platform/index.ts';
import type { CountConnection } from '../count-connection.ts';
import { SidecarError } from '../errors.ts';
import { CLOSE_WITHIN_MS, MAX_HEADER_BYTES } from '../limits.ts';
import { Places } from '../places.ts';
import type { Endpoint } from './upstream.ts';

/**
 * Shorter than the idle time of the other side, so that it rarely closes a connection just before
 * its next use.
 */
const IDLE_MS = 30_000;

export interface PoolParts {
  readonly svid: SvidSource;
  readonly verifier: PeerVerifier;
  readonly registry: ConnectionRegistry;
  readonly log: Log;
  readonly count: CountConnection;
  /** The longest wait for a connection, TLS handshake included. */
  readonly connectMs: number;
  /** With one endpoint, at the same time. */
  readonly maxConnections: number;
}

/**
 * The mTLS connections with one endpoint. They are reused, and judged again whenever trust changes.
 */
export class EndpointPool {
  readonly #endpoint: Endpoint;
  readonly #parts: PoolParts;
  readonly #closing = new AbortController();
  readonly #agent: Agent;
  readonly #peers = new WeakMap<object, VerifiedPeer>();
  readonly #open = new Set<TLSSocket>();
  /**
   * One for each connection, taken for each request: Node's agent counts a connection only after its
   * handshake.
   */
  readonly places: Places;

  constructor(endpoint: Endpoint, parts: PoolParts) {
    this.#endpoint = endpoint;
    this.#parts = parts;
    this.places = new Places(parts.maxConnections);
    this.#agent = new MtlsAgent(() => this.#connect(), parts.maxConnections);
  }

  /**
   * Begins a request to the endpoint, for the holder of a place. The caller ends it, and listens for
   * its errors.
   */
  request(options: Pick<RequestOptions, 'method' | 'path' | 'headers'>): ClientRequest {
    return request({ ...options, agent: this.#agent, maxHeaderSize: MAX_HEADER_BYTES });
  }

  /** Whether a request gets a kept connection at once. */
  hasFreeConnection(): boolean {
    return Object.values(this.#agent.freeSockets).some((sockets) => (sockets?.length ?? 0) > 0);
  }

  /** The proved peer of a connection of this pool. */
  peerOf(socket: object | null | undefined): VerifiedPeer | undefined {
    return socket ? this.#peers.get(socket) : undefined;
  }

  /**
   * Ends the pool: idle connections at once, those with a request in flight after it and in any
   * case within the bound.
   */
  retire(): void {
    this.#closing.abort(new SidecarError('endpoint-removed', 'the endpoint was removed'));
    for (const socket of this.#open) this.#end(socket);
  }

  /** Ends all connections at once. */
  destroy(): void {
    this.#closing.abort(new SidecarError('peer-broke', 'the sidecar stops'));
    this.#agent.destroy();
  }

  async #connect(): Promise<TLSSocket> {
    const { address, port, serverName, spiffeIds } = this.#endpoint;
    const { svid, verifier, registry, log, count, connectMs } = this.#parts;
    const { socket, peer } = await connectMtls({
      host: address,
      port,
      serverName,
      svid,
      verifier,
      signal: this.#closing.signal,
      timeoutMs: connectMs,
      onRefused: (refused) => {
        count('outbound', refused.code);
        log.info('connection refused', { to: serverName, ...refusalFields(refused) });
      },
      authorize: ({ id }) => {
        if (spiffeIds.includes(id)) return;
        throw new SidecarError(
          'peer-not-authorized',
          `${serverName} proved to be ${id}, expected was ${spiffeIds.join(' or ')}`,
        );
      },
    });
    count('outbound', 'accepted');
    log.info('connection opened', {
      code: 'accepted',
      peer: peer.id,
      leaf: peer.leafFingerprint,
      root: peer.anchorFingerprint,
      bundle: peer.bundleDigest,
      to: serverName,
    });
    this.#peers.set(socket, peer);
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    registry.add({ socket, peer, peerRole: 'server', end: () => this.#end(socket) });
    return socket;
  }

  /**
   * An idle connection ends at once; one with a request in flight after it, and in any case within
   * the bound.
   */
  #end(socket: TLSSocket): void {
    const idle = Object.values(this.#agent.freeSockets).some((sockets) => sockets?.includes(socket));
    if (idle) {
      socket.destroy();
      return;
    }
    // Before the agent learns of it, or it would give the connection to the next request first.
    socket.prependOnceListener('free', () => socket.destroy());
    setTimeout(() => socket.destroy(), CLOSE_WITHIN_MS).unref();
  }
}

/** Node's connection pool over connections of ours. */
class MtlsAgent extends Agent {
  readonly #open: () => Promise<TLSSocket>;

  constructor(open: () => Promise<TLSSocket>, maxSockets: number) {
    super({ keepAlive: true, maxSockets, maxFreeSockets: 8, timeout: IDLE_MS });
    this.#open = open;
  }

  override createConnection(
    _options: unknown,
    callback?: (error: Error | null, stream: TLSSocket) => void,
  ): undefined {
    void this.#hand(callback);
    return undefined;
  }

  async #hand(callback: ((error: Error | null, stream: TLSSocket) => void) | undefined): Promise<void> {
    let socket: TLSSocket;
    try {
      socket = await this.#open();
    } catch (error) {
      // Node's type asks for a stream even where there is none.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      (callback as ((error: unknown) => void) | undefined)?.(error);
      return;
    }
    callback?.(null, socket);
  }
}
