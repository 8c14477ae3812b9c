import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { addressOf, listenOn } from '../../platform/index.ts';
import { SidecarError } from './errors.ts';
import type { ExchangeRecords } from './exchange/exchange-records.ts';
import type { Address } from './inbound.ts';
import { MAX_HEADER_BYTES } from './limits.ts';
import { type CallerParts, type CallSettings, UpstreamCaller } from './upstream/upstream-caller.ts';
import type { UpstreamSource } from './upstream/upstream.ts';

export interface OutboundOptions extends CallSettings {
  /** Where the workload calls in plain HTTP. */
  readonly listen: Address;
  /** The called service and its endpoints. */
  readonly upstream: UpstreamSource;
}

export interface OutboundParts extends CallerParts {
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
  readonly #http: Server;
  /** The called service. */
  readonly caller: UpstreamCaller;

  constructor(options: OutboundOptions, parts: OutboundParts) {
    this.#options = options;
    this.#parts = parts;
    this.caller = new UpstreamCaller(options.upstream, options, parts);
    this.#http = createServer(LIMITS, (incoming, response) => {
      this.caller.call(parts.records.begin('outbound', incoming, response)).catch((error: unknown) => {
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
    this.caller.destroy();
  }
}
