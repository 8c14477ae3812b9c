import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import {
  type ConnectionRegistry,
  MtlsServer,
  type PeerVerifier,
  type SvidSource,
  type VerifiedPeer,
} from '../mtls/index.ts';
import type { Log } from '../platform/index.ts';
import type { SpiffeId } from '../spiffe/index.ts';
import { SidecarError } from './errors.ts';
import { forwardedHeaders, relayBody, relayResponse, sendProblem } from './forward.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface InboundOptions {
  readonly listen: Address;
  /** The workload, spoken to in plain HTTP. */
  readonly forwardTo: Address;
  /** Who may call. */
  readonly allow: readonly SpiffeId[];
}

/** How long a request in flight may go on after the trust it rests on was removed. */
export const CLOSE_WITHIN_MS = 1000;

/** Calls to the workload: mTLS in, plain HTTP on, with the caller's proved ID in `x-forwarded-client-cert`. */
export class Inbound {
  readonly #server: MtlsServer;
  readonly #http: Server;
  readonly #listen: Address;
  readonly #peers = new WeakMap<object, VerifiedPeer>();
  readonly #busy = new Map<object, number>();
  readonly #ending = new WeakSet<object>();

  constructor(
    options: InboundOptions,
    parts: {
      readonly svid: SvidSource;
      readonly verifier: PeerVerifier;
      readonly registry: ConnectionRegistry;
      readonly log: Log;
    },
  ) {
    const allowed = new Set(options.allow);
    const { svid, registry, log } = parts;
    this.#listen = options.listen;
    this.#http = createServer(
      { headersTimeout: 10_000, requestTimeout: 60_000, keepAliveTimeout: 60_000 },
      (incoming, response) => {
        const { socket } = incoming;
        const peer = this.#peers.get(socket);
        // Every socket the HTTP server has was handed over below, with its peer.
        if (!peer) throw new TypeError('unreachable: a request on a connection without a proved peer');
        this.#busy.set(socket, (this.#busy.get(socket) ?? 0) + 1);
        response.once('close', () => this.#settled(socket));
        const headers = {
          ...forwardedHeaders(incoming.headers),
          'x-forwarded-client-cert': `By=${svid.current()?.id ?? ''};Hash=${peer.leafFingerprint};URI=${peer.id}`,
        };
        const { host, port } = options.forwardTo;
        const outgoing = request({ host, port, method: incoming.method, path: incoming.url, headers });
        outgoing.on('response', (answer) => relayResponse(answer, response));
        outgoing.on('error', (error) =>
          sendProblem(response, 502, 'workload-unreachable', `the workload did not answer: ${error.message}`),
        );
        response.once('close', () => outgoing.destroy());
        relayBody(incoming, outgoing);
      },
    );
    this.#server = new MtlsServer({
      svid,
      verifier: parts.verifier,
      authorize: (peer) => {
        if (allowed.has(peer.id)) return;
        throw new SidecarError(
          'peer-not-authorized',
          `${peer.id} is proved, but not on the list of those that may call`,
        );
      },
      log,
      onConnection: (socket, peer) => {
        log.info('connection accepted', {
          code: 'accepted',
          peer: peer.id,
          root: peer.anchorFingerprint,
          bundle: peer.bundleDigest,
          remote: socket.remoteAddress,
        });
        this.#peers.set(socket, peer);
        registry.add({ socket, peer, peerRole: 'client', end: () => this.#end(socket) });
        this.#http.emit('connection', socket);
      },
    });
  }

  /** Throws `MtlsError` `port-in-use`, `listen-failed`. */
  async start(): Promise<void> {
    await this.#server.listen(this.#listen.port, this.#listen.host);
  }

  address(): AddressInfo {
    return this.#server.address();
  }

  async stop(graceMs: number): Promise<void> {
    this.#http.closeIdleConnections();
    await this.#server.close(graceMs);
  }

  /** Ends a connection: at once when it is idle, else after its request, and in any case within the bound. */
  #end(socket: TLSSocket): void {
    if (!this.#busy.has(socket)) {
      socket.destroy();
      return;
    }
    this.#ending.add(socket);
    setTimeout(() => socket.destroy(), CLOSE_WITHIN_MS).unref();
  }

  #settled(socket: { destroy(): unknown }): void {
    const left = (this.#busy.get(socket) ?? 1) - 1;
    if (left > 0) this.#busy.set(socket, left);
    else this.#busy.delete(socket);
    if (left <= 0 && this.#ending.has(socket)) socket.destroy();
  }
}
