import {
  Agent,
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import {
  type ConnectionRegistry,
  MtlsServer,
  type PeerVerifier,
  refusalFields,
  type SvidSource,
  type VerifiedPeer,
} from '../../mtls/index.ts';
import { defined } from '../../objects/index.ts';
import type { Clock, Log } from '../../platform/index.ts';
import type { SpiffeId } from '../../spiffe/index.ts';
import type { CountConnection } from './count-connection.ts';
import type { AccessSource, JudgedRequest, RequestVerdict } from './access/access-source.ts';
import { SidecarError } from './errors.ts';
import type { Exchange } from './exchange/exchange.ts';
import type { ExchangeRecords } from './exchange/exchange-records.ts';
import { forward } from './exchange/forward.ts';
import { requestHeaders } from './exchange/forwarded-headers.ts';
import { deadlineOf, DEFAULT_TIMEOUTS, type Timeouts } from './exchange/timeouts.ts';
import { traceHeaders } from './exchange/trace-context.ts';
import { CLOSE_WITHIN_MS, MAX_HEADER_BYTES } from './limits.ts';
import { refuseUnverified } from './signing/refuse-unverified.ts';
import type { RequestVerifier, VerifiedContent } from './signing/request-verifier.ts';
import { type ProtectionSettings, WorkloadProtection } from './workload/protection.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface InboundOptions extends ProtectionSettings {
  readonly listen: Address;
  /** The workload, spoken to in plain HTTP. */
  readonly forwardTo: Address;
  /** The allowed callers, or where the rules of the mesh come from. */
  readonly allow: readonly SpiffeId[] | AccessSource;
  /** Longest TLS handshake; left out: 5 s. */
  readonly handshakeMs?: number;
  /** For requests to the workload. */
  readonly timeouts?: Timeouts;
  /** Verifies the signature of each request; left out: none is needed. */
  readonly signatures?: RequestVerifier;
}

export interface InboundParts {
  readonly svid: SvidSource;
  readonly verifier: PeerVerifier;
  readonly registry: ConnectionRegistry;
  readonly clock: Clock;
  readonly log: Log;
  readonly count: CountConnection;
  readonly records: ExchangeRecords;
}

/**
 * Calls to the workload: mTLS in, plain HTTP on, with the caller's proved ID in
 * `x-forwarded-client-cert`.
 */
export class Inbound {
  readonly #server: MtlsServer;
  readonly #http: Server;
  readonly #options: InboundOptions;
  readonly #parts: InboundParts;
  readonly #toWorkload = new Agent({ keepAlive: true, maxFreeSockets: 32 });
  readonly #peers = new WeakMap<object, VerifiedPeer>();
  readonly #open = new Set<TLSSocket>();
  readonly #busy = new Map<object, number>();
  readonly #ending = new WeakSet<object>();
  readonly #protection: WorkloadProtection;

  constructor(options: InboundOptions, parts: InboundParts) {
    const { allow } = options;
    const allowed = 'judge' in allow ? undefined : new Set(allow);
    const { svid, registry, log, count } = parts;
    this.#options = options;
    this.#parts = parts;
    this.#protection = new WorkloadProtection(options, options.forwardTo, parts);
    this.#http = createServer(
      {
        headersTimeout: 10_000,
        requestTimeout: 60_000,
        keepAliveTimeout: 60_000,
        maxHeaderSize: MAX_HEADER_BYTES,
      },
      (incoming, response) => {
        this.#serve(incoming, response).catch((error: unknown) => {
          parts.log.error('a request failed unexpectedly', { error });
          response.destroy();
        });
      },
    );
    // It never listens, but only what listens watches its time limits and its idle connections.
    this.#http.emit('listening');
    this.#server = new MtlsServer({
      svid,
      verifier: parts.verifier,
      ...defined({ handshakeTimeoutMs: options.handshakeMs }),
      authorize: (peer) => {
        // The rules of the mesh are about requests, so each is judged on its own.
        if (allowed === undefined || allowed.has(peer.id)) return;
        throw new SidecarError(
          'peer-not-authorized',
          `${peer.id} is proved, but not on the list of those that may call`,
        );
      },
      log,
      onRefused: (refused) => {
        count('inbound', refused.code);
        log.info('connection refused', { remote: refused.remote, ...refusalFields(refused) });
      },
      onConnection: (socket, peer) => {
        count('inbound', 'accepted');
        log.info('connection accepted', {
          code: 'accepted',
          peer: peer.id,
          leaf: peer.leafFingerprint,
          root: peer.anchorFingerprint,
          bundle: peer.bundleDigest,
          remote: socket.remoteAddress,
        });
        this.#peers.set(socket, peer);
        this.#open.add(socket);
        socket.once('close', () => this.#open.delete(socket));
        registry.add({ socket, peer, peerRole: 'client', end: () => this.#end(socket) });
        this.#http.emit('connection', socket);
      },
    });
  }

  /** Throws `MtlsError` `port-in-use`, `listen-failed`. */
  async start(): Promise<void> {
    const { port, host } = this.#options.listen;
    await this.#server.listen(port, host);
    this.#protection.start();
  }

  address(): AddressInfo {
    return this.#server.address();
  }

  /** Why the workload cannot work; undefined when it can, or is not checked. */
  get workloadProblem(): string | undefined {
    return this.#protection.workloadProblem;
  }

  async stop(graceMs: number): Promise<void> {
    this.#protection.stop();
    // Stops the watch over idle connections and closes them; those with a request in flight may
    // finish it.
    this.#http.close();
    const closed = this.#server.close(graceMs);
    // A connection before its first request is idle too, but not for the HTTP server.
    for (const socket of this.#open) if (!this.#busy.has(socket)) socket.destroy();
    await closed;
    this.#toWorkload.destroy();
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = incoming;
    const peer = this.#peers.get(socket);
    // Every socket the HTTP server has was handed over above, with its peer.
    if (!peer) throw new TypeError('unreachable: a request on a connection without a proved peer');
    this.#busy.set(socket, (this.#busy.get(socket) ?? 0) + 1);
    const { clock, records } = this.#parts;
    const exchange = records.begin('inbound', incoming, response);
    exchange.onClose(() => this.#settled(socket));
    exchange.peer = peer.id;
    if (!this.#protection.keepsRate(exchange, peer.id) || !this.#admits(exchange, peer)) return;
    const leave = this.#protection.enter(exchange);
    if (!leave) return;
    try {
      await this.#callWorkload(exchange, peer, clock);
    } finally {
      leave();
    }
  }

  /** Whether the rules of the mesh let the request in. Answers it where they do not. */
  #admits(exchange: Exchange, peer: VerifiedPeer): boolean {
    const { allow, forwardTo } = this.#options;
    if (!('judge' in allow)) return true;
    const { method = '', url = '', headers } = exchange.incoming;
    const [path = ''] = url.split('?', 1);
    const texts = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(',') : value]),
    );
    const request = { caller: peer.id, method, path, headers: texts, port: forwardTo.port };
    const verdict = allow.judge(request);
    if (verdict.allowed) return true;
    const { log, count } = this.#parts;
    count('inbound', verdict.code);
    log.info('request refused', { ...verdict, peer: peer.id, method, path });
    exchange.refuse(
      verdict.code === 'mesh-silent' ? 503 : 403,
      verdict.code,
      whyRefused(verdict.code, request),
    );
    return false;
  }

  async #callWorkload(exchange: Exchange, peer: VerifiedPeer, clock: Clock): Promise<void> {
    const { incoming, trace } = exchange;
    const { forwardTo, timeouts = DEFAULT_TIMEOUTS } = this.#options;
    const deadline = deadlineOf(exchange, clock, timeouts);
    const signed = await this.#checkSignature(exchange, peer, deadline.signal);
    if (signed === 'refused') {
      deadline.stop();
      return;
    }
    const { method, url: path } = incoming;
    const headers = defined({
      ...requestHeaders(incoming.headers),
      ...signed?.headers,
      ...(trace && traceHeaders(trace)),
      'x-forwarded-client-cert': `By=${this.#parts.svid.current()?.id ?? ''};Hash=${peer.leafFingerprint};URI=${peer.id}`,
    });
    exchange.attempts = 1;
    const outcome = await forward({
      exchange,
      open: () =>
        request({
          ...forwardTo,
          method,
          path,
          headers,
          agent: this.#toWorkload,
          maxHeaderSize: MAX_HEADER_BYTES,
        }),
      body: signed?.content,
      clock,
      idleMs: timeouts.idleMs,
      connectMs: timeouts.connectMs,
      signal: deadline.signal,
    });
    deadline.stop();
    if (outcome.kind !== 'failed') return;
    const { error } = outcome;
    const code = error instanceof SidecarError ? error.code : 'workload-unreachable';
    exchange.refuse(
      code.endsWith('-timeout') ? 504 : 502,
      code,
      code === 'request-malformed' ? error.message : `the workload did not answer: ${error.message}`,
    );
  }

  /** What a signed request has in place of its own; undefined where no signature is needed. */
  async #checkSignature(
    exchange: Exchange,
    peer: VerifiedPeer,
    signal: AbortSignal,
  ): Promise<VerifiedContent | undefined | 'refused'> {
    try {
      return await this.#options.signatures?.admit(exchange, peer.id, signal);
    } catch (error) {
      if (!(error instanceof SidecarError)) throw error;
      this.#parts.log.info('request refused', { code: error.code, reason: error.message, peer: peer.id });
      refuseUnverified(exchange, error);
      return 'refused';
    }
  }

  /**
   * Ends a connection: at once when it is idle, else after its request, and in any case within the
   * bound.
   */
  #end(socket: TLSSocket): void {
    if (!this.#busy.has(socket)) {
      socket.destroy();
      return;
    }
    this.#ending.add(socket);
    setTimeout(() => socket.destroy(), CLOSE_WITHIN_MS).unref();
  }

  #settled(socket: Socket): void {
    const left = (this.#busy.get(socket) ?? 1) - 1;
    if (left > 0) this.#busy.set(socket, left);
    else this.#busy.delete(socket);
    if (left <= 0 && this.#ending.has(socket)) socket.destroySoon();
  }
}

function whyRefused(
  code: Extract<RequestVerdict, { allowed: false }>['code'],
  { caller, method, path }: JudgedRequest,
): string {
  switch (code) {
    case 'mesh-silent':
      return 'the mesh has not sent the rules about callers yet';
    case 'path-ambiguous':
      return 'rules of this service are about paths, and servers read this path in several ways';
    case 'access-denied':
      return `${caller} is proved, and no rule of this service lets it ${method} ${path}`;
  }
}
