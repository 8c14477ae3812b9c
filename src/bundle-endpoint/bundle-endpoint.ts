import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { getRequestListener } from '@hono/node-server';
import { secureContextOptions } from '../mtls/index.ts';
import {
  addressGroup,
  type Clock,
  describeError,
  KeyedCounts,
  type ListenAddress,
  listenOn,
  type Log,
  type Metrics,
} from '../platform/index.ts';
import type { TrustBundle } from '../spiffe/index.ts';
import { ClientProofs } from './client-proofs.ts';
import { EndpointError } from './errors.ts';
import { type EndpointExtension, extensionRequestOf, serveExtension } from './extension.ts';
import { OpenConnections } from './open-connections.ts';
import { type PublishedBundle, publishedBundle, tagOfBundle } from './published-bundle.ts';
import { RequestLog } from './request-log.ts';
import { type BundleClient, createBundleRoutes } from './routes.ts';
import { WaitingClients } from './waiting-clients.ts';
import { type EndpointIdentity, ShownIdentity } from './shown-identity.ts';
import type { ShownCertificate } from './web-certificate.ts';

export interface EndpointLimits {
  /** Connections at once, handshakes included; further ones are closed. */
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  /**
   * Clients that are held until the bundle changes; further ones are answered at once. Default:
   * 2,000.
   */
  readonly maxWaiting?: number;
  /**
   * The same, per address (IPv6: per /64), for clients that did not prove which peer they are.
   * Default: 16.
   */
  readonly maxWaitingPerAddress?: number;
  /** Longest TLS handshake. Default: 5 s. */
  readonly handshakeMs?: number;
  /** From the first byte of a request to the end of its headers. Default: 5 s. */
  readonly headersMs?: number;
  /** Longest wait for the next request on a kept connection. Default: 30 s. */
  readonly idleMs?: number;
}

/** What a request for the bundle reveals about the client. */
export interface SeenBundleRequest {
  readonly address: string;
  readonly heldTag: string | undefined;
  /** `Federate-Holding`, as it was sent. */
  readonly statement: string | undefined;
}

export interface BundleEndpointOptions {
  readonly profile: EndpointIdentity;
  /** The advertised URL. */
  readonly url: URL;
  /** A path that serves the bundle in addition to `/`. */
  readonly path: string;
  readonly limits: EndpointLimits;
  /**
   * Called for each request for the bundle before it is answered. Resolves with the peer that the
   * client proved to be, or undefined. Only a request that asks to be held waits for it. When the
   * peer is known before the answer goes, `Federate-Relationship: held` says that we hold a
   * relationship with the client. Otherwise the header is absent, so that no client can learn our
   * relationships in another's name.
   */
  readonly onRequest?: (seen: SeenBundleRequest) => Promise<string | undefined> | void;
  /**
   * Called when a client without a statement received the whole bundle, with its address and the
   * tag of the bundle.
   */
  readonly onServed?: (address: string, tag: string) => void;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

const HANDSHAKE_MS = 5000;
const HEADERS_MS = 5000;
/**
 * The whole request, body included. Because a body is never read, this bound covers only what the
 * bound on headers does not.
 */
const REQUEST_MS = 10_000;
const IDLE_MS = 30_000;
/** Room for the statement of an identified poll. */
const MAX_HEADER_BYTES = 16 * 1024;
const REQUESTS_PER_CONNECTION = 1000;
const MAX_WAITING = 2000;
const MAX_WAITING_PER_ADDRESS = 16;

/**
 * Serves our bundle over HTTPS (HTTP/1.1, TLS 1.2 and 1.3, Mozilla's intermediate profile: FED-15).
 * Its certificate is replaced without a restart or a dropped request. Limits hold against clients
 * that are slow, greedy or many.
 */
export class BundleEndpoint {
  readonly #options: BundleEndpointOptions;
  readonly #server: Server;
  readonly #identity: ShownIdentity;
  readonly #perAddress = new KeyedCounts();
  readonly #proofs: ClientProofs;
  readonly #open = new OpenConnections();
  /** The tag of the bundle in an answer. */
  readonly #given = new WeakMap<object, string>();
  readonly #waiting: WaitingClients;
  readonly #record: (
    request: IncomingMessage,
    socket: Socket,
    response: ServerResponse,
    startMs: number,
  ) => void;
  #published: PublishedBundle | undefined;
  #extension: EndpointExtension | undefined;

  constructor(options: BundleEndpointOptions) {
    this.#options = options;
    this.#proofs = new ClientProofs(options.clock);
    const { log, clock, metrics, limits } = options;
    const requests = metrics.counter('federate_endpoint_requests_total', 'Requests by status', ['status']);
    const rejected = metrics.counter(
      'federate_endpoint_connections_rejected_total',
      'Connections not served',
      ['reason'],
    );
    const requestLog = new RequestLog(clock, log);
    this.#record = (request, socket, response, startMs) => {
      requests.inc({ status: response.statusCode });
      requestLog.answered({
        method: request.method,
        path: request.url,
        status: response.statusCode,
        bytes: response.getHeader('content-length'),
        remote: socket.remoteAddress,
        tls: socket instanceof TLSSocket ? socket.getProtocol() : undefined,
        ms: Math.round(clock.monotonicMs() - startMs),
      });
    };
    const { handshakeMs = HANDSHAKE_MS, headersMs = HEADERS_MS, idleMs = IDLE_MS } = limits;
    const waiting = new WaitingClients(clock, {
      most: limits.maxWaiting ?? MAX_WAITING,
      mostPerAddress: limits.maxWaitingPerAddress ?? MAX_WAITING_PER_ADDRESS,
    });
    this.#waiting = waiting;
    const held = metrics.gauge('federate_endpoint_waiting', 'Clients held until the bundle changes');
    metrics.beforeRender(() => held.set(waiting.count));
    const routes = createBundleRoutes(options.path, () => this.#published, waiting);
    const listener = getRequestListener(
      async (request, { incoming, outgoing }) => {
        const { socket } = incoming;
        const client: BundleClient = {
          connection: socket,
          address: socket.remoteAddress ?? 'unknown',
          prove: () => this.#proofs.of(outgoing),
        };
        const response = await routes.fetch(request, { client });
        // Read the tag here, because the bundle may have changed when the answer is out.
        const tag = response.status === 200 ? response.headers.get('etag') : null;
        if (tag !== null) this.#given.set(outgoing, tag);
        return response;
      },
      // HTTP/1.0 has no Host, and load balancers use it for health checks. No route looks at Host.
      { hostname: 'localhost' },
    );
    this.#server = createServer(
      {
        ...secureContextOptions(),
        handshakeTimeout: handshakeMs,
        headersTimeout: headersMs,
        requestTimeout: Math.max(REQUEST_MS, headersMs),
        connectionsCheckingInterval: Math.min(1000, headersMs),
        keepAliveTimeout: idleMs,
        maxHeaderSize: MAX_HEADER_BYTES,
        noDelay: true,
      },
      (request, response) => {
        const startMs = clock.monotonicMs();
        const { socket } = request;
        this.#open.requestBegun(socket);
        waiting.release(socket);
        response.once('close', () => {
          this.#open.requestEnded(socket);
          this.#record(request, socket, response, startMs);
        });
        const answer = () => {
          this.#see(request, response);
          // No body is expected: it is not read, and the connection ends with the answer.
          if (announcesBody(request)) response.shouldKeepAlive = false;
          void listener(request, response);
        };
        if (!this.#served(request, response, answer)) answer();
      },
    );
    this.#identity = new ShownIdentity({ ...options, server: this.#server });
    this.#server.maxRequestsPerSocket = REQUESTS_PER_CONNECTION;
    this.#server.maxConnections = limits.maxConnections;
    this.#server.on('connection', (socket: Socket) => this.#admit(socket, rejected));
    this.#server.on('secureConnection', (socket) => this.#open.secured(socket));
    this.#server.on('drop', () => rejected.inc({ reason: 'too-many' }));
    // Node sends `Connection: close` at the limit and then keeps answering 503. A client that
    // ignores it is closed.
    this.#server.on('dropRequest', (_request, socket) => {
      rejected.inc({ reason: 'too-many-requests' });
      socket.destroy();
    });
    this.#server.on('tlsClientError', (error, socket) => {
      rejected.inc({ reason: 'handshake' });
      log.debug('TLS handshake failed', { remote: socket.remoteAddress, error: describeError(error) });
      socket.destroy();
    });
  }

  /** Whether there are a bundle and a certificate, so that a poll can succeed. */
  get ready(): boolean {
    return this.#published !== undefined && this.#identity.endsAt !== undefined && this.#server.listening;
  }

  /**
   * The certificate of `https_web` that is presented now; undefined with another profile, and
   * before the start.
   */
  get webCertificate(): ShownCertificate | undefined {
    return this.#identity.web;
  }

  /** When the presented certificate ends; undefined where there is none. */
  get certificateEndsAt(): Date | undefined {
    return this.#identity.endsAt;
  }

  /**
   * Why the last reading of the certificate files failed. The certificate before is still
   * presented.
   */
  get certificateTrouble(): Error | undefined {
    return this.#identity.trouble;
  }

  /**
   * Serves this bundle from now on. Throws `TypeError` for a bundle without sequence or refresh
   * hint.
   */
  publish(bundle: TrustBundle): void {
    const before = this.#published;
    this.#published = publishedBundle(bundle);
    if (before?.etag !== this.#published.etag) void this.#waiting.wakeAll();
    this.#options.log.info('own bundle published', {
      sequence: bundle.sequence,
      authorities: bundle.x509Authorities.length,
    });
  }

  /** Serves this bundle if a different one is served. Returns whether it changed anything. */
  correct(bundle: TrustBundle | undefined): boolean {
    if (!bundle || tagOfBundle(bundle) === this.#published?.etag) return false;
    this.publish(bundle);
    return true;
  }

  /** Serves an extension on paths of its own from now on; `undefined` removes it. */
  extend(extension: EndpointExtension | undefined): void {
    this.#extension = extension;
  }

  /**
   * Throws `EndpointError`: `port-in-use`, `listen-failed`, and for `https_web`
   * `certificate-unusable`, `certificate-other-host`.
   */
  async start(address: ListenAddress): Promise<void> {
    await this.#identity.start();
    await listenOn({
      server: this.#server,
      address: address,
      purpose: 'the bundle endpoint',
      refusal: (code, message, options) => new EndpointError(code, message, options),
      onAcceptError: (error) =>
        this.#options.log.error('accepting connections failed', { error: describeError(error) }),
    });
  }

  address(): AddressInfo {
    const address = this.#server.address();
    if (address === null || typeof address === 'string')
      throw new TypeError('the bundle endpoint does not listen');
    return address;
  }

  /**
   * Accepts no more connections and closes those without a request in flight. Requests in flight
   * may take `graceMs`.
   */
  async stop(graceMs: number): Promise<void> {
    this.#waiting.close();
    await this.#identity.stop();
    if (!this.#server.listening) return;
    const timer = setTimeout(() => this.#open.closeAll(), graceMs);
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#open.closeIdle();
    });
    clearTimeout(timer);
  }

  /** Whether the extension accepts a request. */
  #served(request: IncomingMessage, response: ServerResponse, unknownPath: () => void): boolean {
    const { path: bundlePath } = this.#options;
    const path = request.url?.split('?')[0];
    if (!this.#extension || path === '/' || path === bundlePath) return false;
    const asked = extensionRequestOf(request);
    const plan = asked && this.#extension.accept(asked);
    if (!plan) return false;
    void serveExtension(plan, request, response, unknownPath, (error) =>
      this.#options.log.error('an extension of the endpoint failed', { path, error }),
    );
    return true;
  }

  /** Reports who polled, and what the client received. */
  #see(request: IncomingMessage, response: ServerResponse): void {
    const { onRequest, onServed } = this.#options;
    const seen = seenRequestOf(request);
    const proving = onRequest?.(seen);
    if (proving) {
      this.#proofs.begun(response, proving);
      void proving.then((peer) => {
        if (peer !== undefined && !response.headersSent) response.setHeader('federate-relationship', 'held');
      });
    }
    if (!onServed || request.method !== 'GET' || seen.statement !== undefined) return;
    response.once('finish', () => {
      const tag = this.#given.get(response);
      if (tag !== undefined) onServed(seen.address, tag);
    });
  }

  #admit(socket: Socket, rejected: { inc(labels: { reason: string }): void }): void {
    const address = addressGroup(socket.remoteAddress ?? 'unknown');
    if (this.#perAddress.of(address) >= this.#options.limits.maxConnectionsPerAddress) {
      rejected.inc({ reason: 'too-many-of-address' });
      socket.destroy();
      return;
    }
    this.#perAddress.add(address);
    this.#open.opened(socket);
    socket.once('close', () => this.#perAddress.remove(address));
  }
}

function seenRequestOf({ headers, socket }: IncomingMessage): SeenBundleRequest {
  const statement = headers['federate-holding'];
  return {
    address: socket.remoteAddress ?? 'unknown',
    heldTag: headers['if-none-match'],
    statement: typeof statement === 'string' ? statement : undefined,
  };
}

function announcesBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length'];
  return headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}
