import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Clock, Log, Metrics } from '../platform/index.ts';
import { CodedError } from '../spiffe/index.ts';
import { receiveHello } from './read-hello.ts';
import type { RouteTable, RouteTarget } from './route-table.ts';
import { splice } from './splice.ts';

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
}

export type GatewayErrorCode = 'port-in-use' | 'listen-failed' | 'upstream-unreachable' | 'upstream-timeout';

/** The gateway could not listen, or could not reach where a route goes. */
export class GatewayError extends CodedError<GatewayErrorCode> {}

/** A fatal TLS alert `unrecognized_name` (RFC 6066 §3), so that the client's error says what is wrong. */
const UNRECOGNIZED_NAME = Buffer.from([21, 3, 3, 0, 2, 2, 112]);

/**
 * Passes TLS connections on by the server name in their ClientHello, byte for byte. It holds no key, decrypts nothing and has no
 * default route. One log line per connection.
 */
export class Gateway {
  readonly #options: GatewayOptions;
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  readonly #perAddress = new Map<string, number>();
  readonly #counted: (outcome: string) => void;
  #routes: RouteTable;

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

  /** Replaces the table for new connections; open ones go on. */
  setRoutes(routes: RouteTable): void {
    this.#routes = routes;
  }

  /** Throws `GatewayError` `port-in-use`, `listen-failed`. */
  async start({ host, port }: { readonly host: string; readonly port: number }): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause: NodeJS.ErrnoException) => {
        const inUse = cause.code === 'EADDRINUSE';
        const why = inUse ? 'another process listens there' : cause.message;
        reject(
          new GatewayError(
            inUse ? 'port-in-use' : 'listen-failed',
            `listening on ${host}:${port} for the gateway failed: ${why}`,
            { cause },
          ),
        );
      });
      this.#server.listen(port, host, resolve);
    });
  }

  address(): AddressInfo {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new TypeError('the gateway does not listen');
    return address;
  }

  /** Takes no more connections; those open may go on for `drainMs`. */
  async stop(drainMs: number): Promise<void> {
    if (!this.#server.listening) return;
    const timer = setTimeout(() => {
      for (const socket of this.#open) socket.destroy();
    }, drainMs);
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    clearTimeout(timer);
  }

  async #serve(client: Socket): Promise<void> {
    const { clock, log, limits } = this.#options;
    const startMs = clock.monotonicMs();
    const remote = client.remoteAddress ?? 'unknown';
    const tell = (outcome: string, fields: Record<string, unknown> = {}) => {
      this.#counted(outcome);
      log.info('connection ended', {
        code: outcome,
        remote,
        ms: Math.round(clock.monotonicMs() - startMs),
        ...fields,
      });
    };
    // What breaks a connection is told by its outcome; without a listener it would end the process.
    client.on('error', () => {});
    if (!this.#admit(client, remote)) {
      client.destroy();
      tell('too-many-connections-of-address');
      return;
    }
    const hello = await receiveHello(client, limits.helloTimeoutMs);
    if (hello.kind === 'refused') {
      client.destroy();
      tell(hello.code);
      return;
    }
    const { serverName } = hello;
    const found = serverName === undefined ? undefined : this.#routes.lookup(serverName);
    if (!found) {
      client.end(UNRECOGNIZED_NAME, () => client.destroy());
      tell(serverName === undefined ? 'no-server-name' : 'no-route', { sni: serverName });
      return;
    }
    const fields = {
      sni: serverName,
      route: found.route,
      upstream: `${found.target.host}:${found.target.port}`,
    };
    let upstream: Socket;
    try {
      upstream = await connectTo(found.target, limits.connectTimeoutMs, client);
    } catch (error) {
      client.destroy();
      tell(error instanceof GatewayError ? error.code : 'upstream-unreachable', fields);
      return;
    }
    this.#open.add(upstream);
    upstream.once('close', () => this.#open.delete(upstream));
    const { outcome, bytesUp, bytesDown } = await splice(client, upstream, hello.bytes, limits.idleTimeoutMs);
    tell(outcome, { ...fields, bytes_up: bytesUp, bytes_down: bytesDown });
  }

  #admit(client: Socket, remote: string): boolean {
    const count = (this.#perAddress.get(remote) ?? 0) + 1;
    if (count > this.#options.limits.maxConnectionsPerAddress) return false;
    this.#perAddress.set(remote, count);
    this.#open.add(client);
    client.once('close', () => {
      this.#open.delete(client);
      const left = (this.#perAddress.get(remote) ?? 1) - 1;
      if (left === 0) this.#perAddress.delete(remote);
      else this.#perAddress.set(remote, left);
    });
    return true;
  }
}

/** Rejects with `GatewayError` `upstream-unreachable`, `upstream-timeout`; gives up when the client goes. */
async function connectTo({ host, port }: RouteTarget, timeoutMs: number, client: Socket): Promise<Socket> {
  const upstream = connect({ host, port, allowHalfOpen: true, noDelay: true });
  upstream.on('error', () => {});
  const gone = new AbortController();
  const onClose = () => gone.abort();
  client.once('close', onClose);
  const signal = AbortSignal.any([gone.signal, AbortSignal.timeout(timeoutMs)]);
  try {
    await once(upstream, 'connect', { signal });
    return upstream;
  } catch (cause) {
    upstream.destroy();
    const late = signal.aborted && !gone.signal.aborted;
    throw new GatewayError(
      late ? 'upstream-timeout' : 'upstream-unreachable',
      `connecting to ${host}:${port} failed`,
      { cause },
    );
  } finally {
    client.off('close', onClose);
  }
}
