import { Agent, type AgentOptions, type RequestOptions } from 'node:https';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { createDialer, type Dial } from './connect.ts';
import type { MtlsClientOptions } from './mtls-options.ts';

const ALPN = ['http/1.1'];

/**
 * An `https.Agent` whose servers are proved by SPIFFE ID before a request is written. Host names do
 * not matter for the proof, and no session is resumed. A request's own TLS options (`ca`,
 * `rejectUnauthorized`, …) have no effect. `agentOptions` are those for keeping connections.
 */
export function createHttpsAgent(
  options: MtlsClientOptions,
  agentOptions: Pick<AgentOptions, 'keepAlive' | 'keepAliveMsecs' | 'maxSockets' | 'maxFreeSockets'> = {},
): Agent {
  return new SpiffeAgent(createDialer(options), agentOptions);
}

class SpiffeAgent extends Agent {
  readonly #dial: Dial;

  constructor(dial: Dial, options: AgentOptions) {
    super({ keepAlive: true, ...options });
    this.#dial = dial;
  }

  override createConnection(
    { host, port, servername, socketPath }: RequestOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    const answer = callback as ((error: Error | null, stream?: Duplex) => void) | undefined;
    this.#dial({
      host: host ?? 'localhost',
      port: Number(port ?? 443),
      ...(servername ? { serverName: servername } : {}),
      ...(socketPath ? { socket: connect(socketPath) } : {}),
      alpnProtocols: ALPN,
    }).then(
      ({ socket }) => answer?.(null, socket),
      (error: Error) => answer?.(error),
    );
    return undefined;
  }
}

/** The part of undici's options for a new connection that is read here. */
export interface ConnectorTarget {
  readonly hostname: string;
  readonly port: string;
  readonly servername?: string;
  readonly socketPath?: string | null;
}

/** A function for the option `connect` of undici's `Agent`, `Pool` and `Client`. */
export type Connector = (
  target: ConnectorTarget,
  callback: (...result: [error: null, socket: TLSSocket] | [error: Error, socket: null]) => void,
) => void;

/**
 * Connects undici, and with it `fetch`, to servers that are proved by SPIFFE ID before a request is
 * written: `new Agent({ connect: createConnector(options) })`. Unlike undici's own connector it
 * keeps no TLS session.
 */
export function createConnector(options: MtlsClientOptions): Connector {
  const dial = createDialer(options);
  return ({ hostname, port, servername, socketPath }, answer) => {
    dial({
      host: hostname.replace(/^\[(.*)\]$/, '$1'),
      port: port === '' ? 443 : Number(port),
      ...(servername ? { serverName: servername } : {}),
      ...(socketPath ? { socket: connect(socketPath) } : {}),
      alpnProtocols: ALPN,
    }).then(
      ({ socket }) => answer(null, socket),
      (error: Error) => answer(error, null),
    );
  };
}
