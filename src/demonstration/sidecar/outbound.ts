import { type ClientRequest, createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { TLSSocket } from 'node:tls';
import { closedBeforeFirstByte } from '../../mtls/index.ts';
import { defined } from '../../objects/index.ts';
import { addressOf, type Clock, listenOn } from '../../platform/index.ts';
import { CodedError } from '../../spiffe/index.ts';
import { SidecarError } from './errors.ts';
import type { Exchange } from './exchange/exchange.ts';
import type { ExchangeRecords } from './exchange/exchange-records.ts';
import { forward, type Outcome } from './exchange/forward.ts';
import { requestHeaders } from './exchange/forwarded-headers.ts';
import { deadlineOf, DEFAULT_TIMEOUTS, type Timeouts } from './exchange/timeouts.ts';
import { traceHeaders } from './exchange/trace-context.ts';
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
  readonly timeouts?: Timeouts;
}

export interface OutboundParts extends Omit<PoolParts, 'connectMs'> {
  readonly clock: Clock;
  readonly records: ExchangeRecords;
}

const LIMITS = { headersTimeout: 10_000, requestTimeout: 60_000, maxHeaderSize: MAX_HEADER_BYTES };

/**
 * Calls from the workload: plain HTTP in, mTLS out. Without a connection the answer is 503 with the
 * reason (`{ code, message }`).
 */
export class Outbound {
  readonly #options: OutboundOptions;
  readonly #parts: OutboundParts;
  readonly #pools: EndpointPools;
  readonly #http: Server;

  constructor(options: OutboundOptions, parts: OutboundParts) {
    this.#options = options;
    this.#parts = parts;
    const { connectMs } = options.timeouts ?? DEFAULT_TIMEOUTS;
    this.#pools = new EndpointPools(options.upstream, { ...parts, connectMs });
    this.#http = createServer(LIMITS, (incoming, response) => {
      this.#call(parts.records.begin('outbound', incoming, response)).catch((error: unknown) => {
        parts.log.error('a request failed unexpectedly', { error });
        response.destroy();
      });
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

  async #call(exchange: Exchange): Promise<void> {
    const { incoming, trace } = exchange;
    const { upstream, timeouts = DEFAULT_TIMEOUTS } = this.#options;
    const { clock } = this.#parts;
    const { method, url: path } = incoming;
    const headers = defined({ ...requestHeaders(incoming.headers), ...(trace && traceHeaders(trace)) });
    exchange.upstream = upstream.name;
    const chosen = this.#pools.choose();
    if (chosen === undefined) {
      exchange.refuse(503, 'no-endpoint', `${JSON.stringify(upstream.name)} has no endpoint now`);
      return;
    }
    const deadline = deadlineOf(exchange, clock, timeouts);
    exchange.attempts += 1;
    let opened: ClientRequest | undefined;
    const outcome = await forward({
      exchange,
      open: () => (opened = chosen.pool.request({ method, path, headers })),
      body: undefined,
      clock,
      idleMs: timeouts.idleMs,
      signal: deadline.signal,
      onConnected: () => {
        exchange.peer = chosen.pool.peerOf(opened?.socket)?.id;
      },
    });
    deadline.stop();
    if (outcome.kind === 'failed') this.#explain(exchange, outcome, chosen);
  }

  #explain(
    exchange: Exchange,
    { error, outgoing }: Extract<Outcome, { kind: 'failed' }>,
    chosen: PooledEndpoint,
  ): void {
    const { code, message } = error instanceof CodedError ? error : whyEnded(error, outgoing, chosen);
    this.#parts.log.info('call failed', { code, reason: message, to: chosen.endpoint.serverName });
    exchange.refuse(statusOf(code), code, message);
  }
}

/**
 * TLS 1.3 lets us finish before the other side has judged our SVID: its refusal is an end before
 * the first byte.
 */
function whyEnded(
  cause: Error,
  outgoing: ClientRequest | undefined,
  { endpoint, pool }: PooledEndpoint,
): SidecarError {
  const { socket, reusedSocket } = outgoing ?? {};
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
const BAD_GATEWAY: ReadonlySet<string> = new Set([
  'peer-broke',
  'peer-silent',
  'answer-malformed',
  'request-malformed',
]);

function statusOf(code: string): number {
  if (code === 'request-timeout') return 504;
  return BAD_GATEWAY.has(code) ? 502 : 503;
}
