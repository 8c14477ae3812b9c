import {
  type ClientRequest,
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { TLSSocket } from 'node:tls';
import { closedBeforeFirstByte } from '../../mtls/index.ts';
import { addressOf, listenOn } from '../../platform/index.ts';
import { CodedError } from '../../spiffe/index.ts';
import { SidecarError } from './errors.ts';
import { forward, requestHeaders, sendProblem } from './forward.ts';
import type { Address } from './inbound.ts';
import { MAX_HEADER_BYTES } from './limits.ts';
import type { PoolParts } from './upstream/endpoint-pool.ts';
import { EndpointPools, type PooledEndpoint } from './upstream/endpoint-pools.ts';
import type { UpstreamSource } from './upstream/upstream.ts';

export interface OutboundOptions {
  /** Where the workload calls in plain HTTP. */
  readonly listen: Address;
  /** The called service and its endpoints. */
  readonly upstream: UpstreamSource;
}

const LIMITS = { headersTimeout: 10_000, requestTimeout: 60_000, maxHeaderSize: MAX_HEADER_BYTES };

/**
 * Calls from the workload: plain HTTP in, mTLS out. Without a connection the answer is 503 with the
 * reason (`{ code, message }`).
 */
export class Outbound {
  readonly #options: OutboundOptions;
  readonly #parts: PoolParts;
  readonly #pools: EndpointPools;
  readonly #http: Server;

  constructor(options: OutboundOptions, parts: PoolParts) {
    this.#options = options;
    this.#parts = parts;
    this.#pools = new EndpointPools(options.upstream, parts);
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
    this.#pools.destroy();
  }

  #forward(incoming: IncomingMessage, response: ServerResponse): void {
    const { method, url: path } = incoming;
    const headers = requestHeaders(incoming.headers);
    const chosen = this.#pools.choose();
    if (chosen === undefined) {
      const { name } = this.#options.upstream;
      sendProblem(response, 503, 'no-endpoint', `${JSON.stringify(name)} has no endpoint now`);
      return;
    }
    forward({
      incoming,
      response,
      open: () => chosen.pool.request({ method, path, headers }),
      onFailure: (error, outgoing) => this.#explain(error, outgoing, response, chosen),
    });
  }

  #explain(error: Error, outgoing: ClientRequest, response: ServerResponse, chosen: PooledEndpoint): void {
    const { code, message } = error instanceof CodedError ? error : whyEnded(error, outgoing, chosen);
    this.#parts.log.info('call failed', { code, reason: message, to: chosen.endpoint.serverName });
    sendProblem(response, BAD_GATEWAY.has(code) ? 502 : 503, code, message);
  }
}

/**
 * TLS 1.3 lets us finish before the other side has judged our SVID: its refusal is an end before
 * the first byte.
 */
function whyEnded(
  cause: Error,
  { socket, reusedSocket }: ClientRequest,
  { endpoint, pool }: PooledEndpoint,
): SidecarError {
  const peer = pool.peerOf(socket);
  if (peer && socket instanceof TLSSocket && !reusedSocket && closedBeforeFirstByte(socket, peer)) {
    return new SidecarError(
      'peer-refused',
      `${peer.id} ended the connection before its first byte: it does not trust us, or it went away`,
      { cause },
    );
  }
  const who = peer?.id ?? endpoint.spiffeIds.join(' or ');
  return new SidecarError('peer-broke', `the connection with ${who} broke: ${cause.message}`, { cause });
}

/**
 * The other side was there, and its answer was none; anything else may be better at the next try.
 */
const BAD_GATEWAY: ReadonlySet<string> = new Set(['peer-broke', 'peer-silent', 'answer-malformed']);
