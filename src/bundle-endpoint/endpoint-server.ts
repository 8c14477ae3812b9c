import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { secureContextOptions } from '../mtls/index.ts';
import {
  addressGroup,
  addressOf,
  KeyedCounts,
  type ListenAddress,
  listenOn,
  type Log,
  type Metrics,
} from '../platform/index.ts';
import type { EndpointLimits } from './endpoint-limits.ts';
import { EndpointError } from './errors.ts';
import { OpenConnections } from './open-connections.ts';

/**
 * The whole request, body included. Because a body is never read, this bound covers only what the
 * bound on headers does not.
 */
const REQUEST_MS = 10_000;
/** Room for the statement of an identified poll. */
const MAX_HEADER_BYTES = 16 * 1024;
const REQUESTS_PER_CONNECTION = 1000;

export interface EndpointServerOptions {
  readonly limits: EndpointLimits;
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void;
  readonly log: Log;
  readonly metrics: Metrics;
}

/**
 * The HTTPS server of the endpoint (HTTP/1.1, TLS 1.2 and 1.3, Mozilla's intermediate profile:
 * FED-15). Its limits on connections hold against clients that are slow, greedy or many.
 */
export class EndpointServer {
  /** For its certificate. Before one is set, every handshake fails. */
  readonly tls: Server;
  readonly #options: EndpointServerOptions;
  readonly #rejected: { inc(labels: { reason: string }): void };
  readonly #perAddress = new KeyedCounts();
  readonly #open = new OpenConnections();

  constructor(options: EndpointServerOptions) {
    this.#options = options;
    const { limits, metrics } = options;
    this.#rejected = metrics.counter(
      'federate_endpoint_connections_rejected_total',
      'Connections not served',
      ['reason'],
    );
    this.tls = createServer(
      {
        ...secureContextOptions(),
        handshakeTimeout: limits.handshakeMs,
        headersTimeout: limits.headersMs,
        requestTimeout: Math.max(REQUEST_MS, limits.headersMs),
        connectionsCheckingInterval: Math.min(1000, limits.headersMs),
        keepAliveTimeout: limits.idleMs,
        maxHeaderSize: MAX_HEADER_BYTES,
        noDelay: true,
      },
      (request, response) => {
        const { socket } = request;
        this.#open.requestBegun(socket);
        response.once('close', () => this.#open.requestEnded(socket));
        options.onRequest(request, response);
      },
    );
    this.tls.maxRequestsPerSocket = REQUESTS_PER_CONNECTION;
    this.tls.maxConnections = limits.maxConnections;
    this.#followConnections();
  }

  get listening(): boolean {
    return this.tls.listening;
  }

  address(): AddressInfo {
    return addressOf(this.tls, 'the bundle endpoint');
  }

  /** Rejects with `EndpointError` `port-in-use`, `listen-failed`. */
  async start(address: ListenAddress): Promise<void> {
    await listenOn({
      server: this.tls,
      address,
      purpose: 'the bundle endpoint',
      refusal: (code, message, options) => new EndpointError(code, message, options),
      log: this.#options.log,
    });
  }

  /**
   * Accepts no more connections and closes those without a request in flight. Requests in flight
   * may take `graceMs`.
   */
  async stop(graceMs: number): Promise<void> {
    if (!this.tls.listening) return;
    const timer = setTimeout(() => this.#open.closeAll(), graceMs);
    await new Promise<void>((resolve) => {
      this.tls.close(() => resolve());
      this.#open.closeIdle();
    });
    clearTimeout(timer);
  }

  #followConnections(): void {
    const { log } = this.#options;
    this.tls.on('connection', (socket: Socket) => this.#admit(socket));
    this.tls.on('secureConnection', (socket) => this.#open.secured(socket));
    this.tls.on('drop', () => this.#rejected.inc({ reason: 'too-many' }));
    // Node sends `Connection: close` at the limit and then keeps answering 503. A client that
    // ignores it is closed.
    this.tls.on('dropRequest', (_request, socket) => {
      this.#rejected.inc({ reason: 'too-many-requests' });
      socket.destroy();
    });
    this.tls.on('tlsClientError', (error, socket) => {
      this.#rejected.inc({ reason: 'handshake' });
      log.debug('TLS handshake failed', { remote: socket.remoteAddress, error });
      socket.destroy();
    });
  }

  #admit(socket: Socket): void {
    const address = addressGroup(socket.remoteAddress ?? 'unknown');
    if (this.#perAddress.of(address) >= this.#options.limits.maxConnectionsPerAddress) {
      this.#rejected.inc({ reason: 'too-many-of-address' });
      socket.destroy();
      return;
    }
    this.#perAddress.add(address);
    this.#open.opened(socket);
    socket.once('close', () => this.#perAddress.remove(address));
  }
}
