import {
  Agent,
  type ClientRequest,
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { TLSSocket } from 'node:tls';
import {
  closedBeforeFirstByte,
  connectMtls,
  type ConnectionRegistry,
  type PeerVerifier,
  type SvidSource,
  type VerifiedPeer,
  refusalFields,
} from '../../mtls/index.ts';
import { addressOf, listenOn, type Log } from '../../platform/index.ts';
import { CodedError, type SpiffeId } from '../../spiffe/index.ts';
import type { CountConnection } from './count-connection.ts';
import { SidecarError } from './errors.ts';
import { forward, requestHeaders, sendProblem } from './forward.ts';
import { type Address, CLOSE_WITHIN_MS, MAX_HEADER_BYTES } from './inbound.ts';

export interface OutboundOptions {
  /** Where the workload calls in plain HTTP. */
  readonly listen: Address;
  /** The target of the connection: the other sidecar, or a gateway on the way. */
  readonly to: Address;
  readonly serverName: string;
  /** Of these the other side must prove one. */
  readonly expect: readonly SpiffeId[];
}

const CONNECT_TIMEOUT_MS = 5000;
const MAX_CONNECTIONS = 64;
/**
 * Shorter than the idle time of the other side, so that it rarely closes a connection just before
 * its next use.
 */
const IDLE_MS = 30_000;
const LIMITS = { headersTimeout: 10_000, requestTimeout: 60_000, maxHeaderSize: MAX_HEADER_BYTES };

export interface OutboundParts {
  readonly svid: SvidSource;
  readonly verifier: PeerVerifier;
  readonly registry: ConnectionRegistry;
  readonly log: Log;
  readonly count: CountConnection;
}

/**
 * Calls from the workload: plain HTTP in, mTLS out. Without a connection the answer is 503 with the
 * reason (`{ code, message }`). Connections are reused, and judged again whenever trust changes.
 */
export class Outbound {
  readonly #options: OutboundOptions;
  readonly #parts: OutboundParts;
  readonly #stopping = new AbortController();
  readonly #agent: Agent;
  readonly #http: Server;
  readonly #peers = new WeakMap<object, VerifiedPeer>();

  constructor(options: OutboundOptions, parts: OutboundParts) {
    this.#options = options;
    this.#parts = parts;
    this.#agent = new MtlsAgent(() => this.#connect());
    this.#http = createServer(LIMITS, (incoming, response) => {
      this.#forward(incoming, response);
    });
  }

  /** Throws `SidecarError` `port-in-use`, `listen-failed`. */
  async start(): Promise<void> {
    await listenOn({
      server: this.#http,
      address: this.#options.listen,
      purpose: 'calls of the workload',
      refusal: (code, message, options) => new SidecarError(code, message, options),
      log: this.#parts.log,
    });
  }

  address(): AddressInfo {
    return addressOf(this.#http, 'the sidecar');
  }

  async stop(graceMs: number): Promise<void> {
    const timer = setTimeout(() => this.#http.closeAllConnections(), graceMs);
    await new Promise<void>((resolve) => {
      this.#http.close(() => resolve());
      this.#http.closeIdleConnections();
    });
    clearTimeout(timer);
    this.#stopping.abort(new SidecarError('peer-broke', 'the sidecar stops'));
    this.#agent.destroy();
  }

  #forward(incoming: IncomingMessage, response: ServerResponse): void {
    const { method, url: path } = incoming;
    const headers = requestHeaders(incoming.headers);
    forward({
      incoming,
      response,
      open: () => request({ agent: this.#agent, method, path, headers, maxHeaderSize: MAX_HEADER_BYTES }),
      onFailure: (error, outgoing) => this.#explain(error, outgoing, response),
    });
  }

  #explain(error: Error, outgoing: ClientRequest, response: ServerResponse): void {
    const { code, message } = error instanceof CodedError ? error : this.#whyEnded(error, outgoing);
    this.#parts.log.info('call failed', { code, reason: message, to: this.#options.serverName });
    sendProblem(response, BAD_GATEWAY.has(code) ? 502 : 503, code, message);
  }

  /**
   * TLS 1.3 lets us finish before the other side has judged our SVID: its refusal is an end before
   * the first byte.
   */
  #whyEnded(cause: Error, { socket, reusedSocket }: ClientRequest): SidecarError {
    const peer = socket && this.#peers.get(socket);
    if (peer && socket instanceof TLSSocket && !reusedSocket && closedBeforeFirstByte(socket, peer)) {
      return new SidecarError(
        'peer-refused',
        `${peer.id} ended the connection before its first byte: it does not trust us, or it went away`,
        { cause },
      );
    }
    const who = peer?.id ?? this.#options.expect.join(' or ');
    return new SidecarError('peer-broke', `the connection with ${who} broke: ${cause.message}`, { cause });
  }

  async #connect(): Promise<TLSSocket> {
    const { to, serverName, expect } = this.#options;
    const { svid, verifier, registry, log, count } = this.#parts;
    const { socket, peer } = await connectMtls({
      ...to,
      serverName,
      svid,
      verifier,
      signal: this.#stopping.signal,
      timeoutMs: CONNECT_TIMEOUT_MS,
      onRefused: (refused) => {
        count('outbound', refused.code);
        log.info('connection refused', { to: serverName, ...refusalFields(refused) });
      },
      authorize: ({ id }) => {
        if (expect.includes(id)) return;
        throw new SidecarError(
          'peer-not-authorized',
          `${serverName} proved to be ${id}, expected was ${expect.join(' or ')}`,
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
    // Before the pool learns of it, or it would give the connection to the next request first.
    socket.prependOnceListener('free', () => socket.destroy());
    setTimeout(() => socket.destroy(), CLOSE_WITHIN_MS).unref();
  }
}

/**
 * The other side was there, and its answer was none; anything else may be better at the next try.
 */
const BAD_GATEWAY: ReadonlySet<string> = new Set(['peer-broke', 'peer-silent', 'answer-malformed']);

/** Node's connection pool over connections of ours. */
class MtlsAgent extends Agent {
  readonly #open: () => Promise<TLSSocket>;

  constructor(open: () => Promise<TLSSocket>) {
    super({ keepAlive: true, maxSockets: MAX_CONNECTIONS, maxFreeSockets: 8, timeout: IDLE_MS });
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
