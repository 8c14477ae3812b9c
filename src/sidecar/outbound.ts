import {
  Agent,
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { connectMtls, type ConnectionRegistry, type PeerVerifier, type SvidSource } from '../mtls/index.ts';
import type { Log } from '../platform/index.ts';
import { CodedError, type SpiffeId } from '../spiffe/index.ts';
import { SidecarError } from './errors.ts';
import { forwardedHeaders, isRepeatable, relayBody, relayResponse, sendProblem } from './forward.ts';
import { type Address, CLOSE_WITHIN_MS } from './inbound.ts';

export interface OutboundOptions {
  /** Where the workload calls in plain HTTP. */
  readonly listen: Address;
  /** Where the connection goes: the other sidecar, or a gateway on the way. */
  readonly to: Address;
  readonly serverName: string;
  /** Of these the other side must prove one. */
  readonly expect: readonly SpiffeId[];
}

const CONNECT_TIMEOUT_MS = 5000;
const MAX_CONNECTIONS = 64;

export interface OutboundParts {
  readonly svid: SvidSource;
  readonly verifier: PeerVerifier;
  readonly registry: ConnectionRegistry;
  readonly log: Log;
}

/**
 * Calls from the workload: plain HTTP in, mTLS out. When there is no connection the answer is 503 with the honest reason
 * (`{ code, message }`). Connections are kept and used again; each is judged again whenever trust changes.
 */
export class Outbound {
  readonly #options: OutboundOptions;
  readonly #parts: OutboundParts;
  readonly #stopping = new AbortController();
  readonly #agent: Agent;
  readonly #http: Server;

  constructor(options: OutboundOptions, parts: OutboundParts) {
    this.#options = options;
    this.#parts = parts;
    this.#agent = new MtlsAgent(() => this.#connect());
    this.#http = createServer({ headersTimeout: 10_000, requestTimeout: 60_000 }, (incoming, response) => {
      this.#forward(incoming, response, isRepeatable(incoming));
    });
  }

  /** Throws `SidecarError` `port-in-use`, `listen-failed`. */
  async start(): Promise<void> {
    const { host, port } = this.#options.listen;
    await new Promise<void>((resolve, reject) => {
      this.#http.once('error', (cause: NodeJS.ErrnoException) => {
        const inUse = cause.code === 'EADDRINUSE';
        const why = inUse ? 'another process listens there' : cause.message;
        reject(
          new SidecarError(
            inUse ? 'port-in-use' : 'listen-failed',
            `listening on ${host}:${port} for calls of the workload failed: ${why}`,
            { cause },
          ),
        );
      });
      this.#http.listen(port, host, resolve);
    });
  }

  address(): AddressInfo {
    const address = this.#http.address();
    if (address === null || typeof address === 'string') throw new TypeError('the sidecar does not listen');
    return address;
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

  #forward(incoming: IncomingMessage, response: ServerResponse, mayRepeat: boolean): void {
    const { method, url: path, headers } = incoming;
    const outgoing = request({ agent: this.#agent, method, path, headers: forwardedHeaders(headers) });
    let answered = false;
    outgoing.on('response', (answer) => {
      answered = true;
      relayResponse(answer, response);
    });
    outgoing.on('error', (error) => {
      if (answered || response.destroyed) {
        response.destroy();
        return;
      }
      // A kept connection may have been closed by the other side while it was idle; that says nothing about a new one.
      if (outgoing.reusedSocket && mayRepeat) {
        this.#forward(incoming, response, false);
        return;
      }
      this.#explain(error, response);
    });
    response.once('close', () => {
      if (!answered) outgoing.destroy();
    });
    relayBody(incoming, outgoing);
  }

  #explain(error: Error, response: ServerResponse): void {
    const known = error instanceof CodedError ? error : undefined;
    // TLS 1.3 lets us finish before the other side has judged our SVID: its refusal is an end before the first byte.
    const code = known?.code ?? 'peer-refused';
    const message =
      known?.message ??
      `${this.#options.expect.join(' or ')} ended the connection before its first byte: it does not trust us, or it went away`;
    this.#parts.log.info('call failed', { code, reason: message, to: this.#options.serverName });
    sendProblem(response, 503, code, message);
  }

  async #connect(): Promise<TLSSocket> {
    const { to, serverName, expect } = this.#options;
    const { svid, verifier, registry, log } = this.#parts;
    const { socket, peer } = await connectMtls({
      ...to,
      serverName,
      svid,
      verifier,
      signal: this.#stopping.signal,
      timeoutMs: CONNECT_TIMEOUT_MS,
      authorize: ({ id }) => {
        if (expect.includes(id)) return;
        throw new SidecarError(
          'peer-not-authorized',
          `${serverName} proved to be ${id}, expected was ${expect.join(' or ')}`,
        );
      },
    });
    log.info('connection opened', {
      code: 'accepted',
      peer: peer.id,
      root: peer.anchorFingerprint,
      bundle: peer.bundleDigest,
      to: serverName,
    });
    // Until a request uses it, nobody else listens for its errors.
    socket.on('error', () => {});
    registry.add({ socket, peer, peerRole: 'server', end: () => this.#end(socket) });
    return socket;
  }

  /** An idle connection ends at once; one with a request in flight after it, and in any case within the bound. */
  #end(socket: TLSSocket): void {
    const idle = Object.values(this.#agent.freeSockets).some((sockets) => sockets?.includes(socket));
    if (idle) {
      socket.destroy();
      return;
    }
    socket.once('free', () => socket.destroy());
    setTimeout(() => socket.destroy(), CLOSE_WITHIN_MS).unref();
  }
}

/** Node's connection pool over connections of ours. */
class MtlsAgent extends Agent {
  readonly #open: () => Promise<TLSSocket>;

  constructor(open: () => Promise<TLSSocket>) {
    super({ keepAlive: true, maxSockets: MAX_CONNECTIONS, maxFreeSockets: 8, timeout: 60_000 });
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
