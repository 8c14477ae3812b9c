import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import {
  addressGroup,
  addressOf,
  type Clock,
  KeyedCounts,
  type ListenAddress,
  listenOn,
  type Log,
  type LogFields,
  type Metrics,
} from '../platform/index.ts';
import { CodedError } from '../spiffe/index.ts';
import { receiveHello } from './read-hello.ts';
import { chooseRelay, pipeRelay, type Relay } from './relay.ts';
import type { RouteTable, RouteTarget } from './route-table.ts';

export interface GatewayLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  /** Longest wait for a whole ClientHello. */
  readonly helloTimeoutMs: number;
  readonly connectTimeoutMs: number;
  /** A connection without a byte in either direction for this long is closed. */
  readonly idleTimeoutMs: number;
}

export interface GatewayOptions {
  readonly routes: RouteTable;
  readonly limits: GatewayLimits;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** How bytes are passed on; left out: the fastest way that works on this Node (`chooseRelay`). */
  readonly relay?: Relay;
}

export type GatewayErrorCode = 'port-in-use' | 'listen-failed' | 'upstream-unreachable' | 'upstream-timeout';

/** The gateway could not listen, or could not reach the target of a route. */
class GatewayError extends CodedError<GatewayErrorCode> {}

/**
 * A fatal TLS alert `unrecognized_name` (RFC 6066 §3), so that the client's error states the
 * problem.
 */
const UNRECOGNIZED_NAME = Buffer.from([21, 3, 3, 0, 2, 2, 112]);

/**
 * Passes TLS connections on by the server name in their ClientHello, byte for byte. It holds no
 * key, decrypts nothing and has no default route. Writes one log line per connection.
 */
export class Gateway {
  readonly #options: GatewayOptions;
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  readonly #perAddress = new KeyedCounts();
  readonly #counted: (outcome: string) => void;
  #routes: RouteTable;
  #relay: Relay = pipeRelay;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#routes = options.routes;
    const total = options.metrics.counter('federate_gateway_connections_total', 'Connections by outcome', [
      'outcome',
    ]);
    const gauge = options.metrics.gauge('federate_gateway_connections_open', 'Connections open now');
    this.#counted = (outcome) => {
      total.inc({ outcome });
      gauge.set(this.#open.size);
    };
    this.#server = createServer(
      { pauseOnConnect: true, allowHalfOpen: true, noDelay: true },
      (socket) => void this.#serve(socket),
    );
    this.#server.maxConnections = options.limits.maxConnections;
    this.#server.on('drop', (data) => {
      this.#counted('too-many-connections');
      options.log.warn('connection dropped', { code: 'too-many-connections', remote: data?.remoteAddress });
    });
  }

  /** Whether the gateway accepts connections. */
  get listening(): boolean {
    return this.#server.listening;
  }

  /** Replaces the table for new connections; open ones continue. */
  setRoutes(routes: RouteTable): void {
    this.#routes = routes;
  }

  /** Throws `GatewayError` `port-in-use`, `listen-failed`. */
  async start(address: ListenAddress): Promise<void> {
    this.#relay = this.#options.relay ?? (await chooseRelay());
    this.#options.log.info('relay chosen', { relay: this.#relay.kind });
    await listenOn({
      server: this.#server,
      address: address,
      purpose: 'the gateway',
      refusal: (code, message, options) => new GatewayError(code, message, options),
      log: this.#options.log,
    });
  }

  address(): AddressInfo {
    return addressOf(this.#server, 'the gateway');
  }

  /** Accepts no more connections; open ones may continue for `drainMs`. */
  async stop(drainMs: number): Promise<void> {
    if (!this.#server.listening) return;
    const timer = setTimeout(() => {
      for (const socket of this.#open) socket.destroy();
    }, drainMs);
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    clearTimeout(timer);
  }

  async #serve(client: Socket): Promise<void> {
    const { clock, log } = this.#options;
    const startMs = clock.monotonicMs();
    const remote = client.remoteAddress ?? 'unknown';
    // The outcome reports what broke a connection. Without a listener the error would end the
    // process.
    client.on('error', () => {});
    this.#open.add(client);
    const address = addressGroup(remote);
    const count = this.#perAddress.add(address);
    try {
      const { outcome, ...fields } = await this.#pass(client, count);
      this.#counted(outcome);
      const ms = Math.round(clock.monotonicMs() - startMs);
      log.info('connection ended', { code: outcome, remote, ms, ...fields });
    } finally {
      this.#open.delete(client);
      this.#perAddress.remove(address);
    }
  }

  /**
   * One connection from its first byte to its last: its outcome, and the fields of its log line.
   */
  async #pass(client: Socket, countOfAddress: number): Promise<{ readonly outcome: string } & LogFields> {
    const { limits } = this.#options;
    if (countOfAddress > limits.maxConnectionsPerAddress) {
      client.destroy();
      return { outcome: 'too-many-connections-of-address' };
    }
    const hello = await receiveHello(client, limits.helloTimeoutMs);
    if (hello.kind === 'refused') {
      client.destroy();
      return { outcome: hello.code };
    }
    const { serverName } = hello;
    const found = serverName === undefined ? undefined : this.#routes.lookup(serverName);
    if (!found) {
      client.end(UNRECOGNIZED_NAME, () => client.destroy());
      return { outcome: serverName === undefined ? 'no-server-name' : 'no-route', sni: serverName };
    }
    const { route, target } = found;
    const fields = { sni: serverName, route, upstream: `${target.host}:${target.port}` };
    const upstream = this.#relay.dial(target);
    try {
      await connected(upstream.socket, target, limits.connectTimeoutMs, client);
    } catch (error) {
      client.destroy();
      return { outcome: error instanceof GatewayError ? error.code : 'upstream-unreachable', ...fields };
    }
    // From here on the connection ends with its upstream; the client's handle may move to another
    // socket.
    this.#open.add(upstream.socket);
    const { outcome, bytesUp, bytesDown } = await upstream.run(client, hello.bytes, limits.idleTimeoutMs);
    this.#open.delete(upstream.socket);
    return { outcome, ...fields, bytes_up: bytesUp, bytes_down: bytesDown };
  }
}

/**
 * Resolves once the upstream is connected. Rejects with `GatewayError` `upstream-unreachable`,
 * `upstream-timeout`; stops when the client goes. Uses plain timers and listeners, because abort
 * signals would be a fifth of a connection's cost.
 */
function connected(upstream: Socket, target: RouteTarget, timeoutMs: number, client: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      clearTimeout(timer);
      client.off('close', onGone);
      upstream.off('connect', onConnect);
      upstream.off('error', onError);
    };
    const fail = (code: GatewayErrorCode, cause?: Error) => {
      settle();
      upstream.destroy();
      reject(new GatewayError(code, `connecting to ${target.host}:${target.port} failed`, { cause }));
    };
    const onConnect = () => {
      settle();
      resolve();
    };
    const onError = (cause: Error) => fail('upstream-unreachable', cause);
    const onGone = () => fail('upstream-unreachable');
    const timer = setTimeout(() => fail('upstream-timeout'), timeoutMs);
    client.once('close', onGone);
    upstream.once('connect', onConnect);
    upstream.once('error', onError);
  });
}
