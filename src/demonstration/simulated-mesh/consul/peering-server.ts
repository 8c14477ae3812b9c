import type { AddressInfo } from 'node:net';
import { createServer, type Server as TlsServer, type TLSSocket } from 'node:tls';
import {
  Metadata,
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  status,
} from '@grpc/grpc-js';
import { addressOf, type Log } from '../../../platform/index.ts';
import {
  type ExchangeSecretRequest,
  type ExchangeSecretResponse,
  leaderAddressMessage,
  peerStreamService,
  type ReplicationMessage,
  statusMessage,
} from '../../../grpc/index.ts';
import { pemFromCertificates } from '../../../spiffe/index.ts';
import type { WorkloadSvid } from '../workload-identities.ts';
import type { PeerStreamSession } from './peer-stream-session.ts';
import type { PeeringRefusal, Peerings } from './peerings.ts';
import { listenForMesh } from '../listen.ts';

const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
const MAX_CONNECTIONS = 256;
const LEADER_ADDRESS_URL = 'type.googleapis.com/hashicorp.consul.internal.peerstream.LeaderAddress';

const REFUSALS: Readonly<Record<PeeringRefusal, { readonly code: status; readonly details: string }>> = {
  invalid: { code: status.INVALID_ARGUMENT, details: 'invalid peering request' },
  'unknown-peering': { code: status.NOT_FOUND, details: 'peering not found' },
  'wrong-secret': { code: status.PERMISSION_DENIED, details: 'invalid peering secret' },
  'being-deleted': { code: status.ABORTED, details: 'peering is marked as deleted' },
};

/**
 * The gRPC over TLS listener of `PeerStreamService`. TLS is ended by us and not by grpc-js, so that
 * the server's certificate follows the mesh CA without a restart.
 */
export class PeeringServer {
  readonly #peerings: Peerings;
  readonly #log: Log;
  readonly #leaderAddress: () => string | undefined;
  readonly #grpc = new Server({
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_concurrent_streams': 16,
  });
  readonly #sockets = new Set<TLSSocket>();
  #tls: TlsServer | undefined;

  constructor(options: {
    readonly peerings: Peerings;
    /**
     * On a follower the leader's `host:port`, to which streams are sent away; undefined on the
     * leader.
     */
    readonly leaderAddress: () => string | undefined;
    readonly log: Log;
  }) {
    this.#peerings = options.peerings;
    this.#leaderAddress = options.leaderAddress;
    this.#log = options.log;
    this.#grpc.addService(peerStreamService, {
      ExchangeSecret: (
        call: ServerUnaryCall<ExchangeSecretRequest, ExchangeSecretResponse>,
        callback: sendUnaryData<ExchangeSecretResponse>,
      ) => this.#exchange(call, callback),
      StreamResources: (call: ServerDuplexStream<ReplicationMessage, ReplicationMessage>) =>
        this.#stream(call),
    });
  }

  /** Throws the system's error, `EADDRINUSE` for one. */
  async start(
    listen: { readonly host: string; readonly port: number },
    identity: WorkloadSvid,
  ): Promise<void> {
    const injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
    const server = createServer(
      { ...secureContext(identity), minVersion: 'TLSv1.2', ALPNProtocols: ['h2'], handshakeTimeout: 10_000 },
      (socket) => {
        this.#sockets.add(socket);
        socket.once('close', () => this.#sockets.delete(socket));
        injector.injectConnection(socket);
      },
    );
    server.maxConnections = MAX_CONNECTIONS;
    server.on('tlsClientError', (error) => this.#log.debug('peering handshake failed', { error }));
    this.#tls = server;
    await listenForMesh(server, listen, 'peering with the simulated Consul');
  }

  /** New connections get this certificate. */
  useIdentity(identity: WorkloadSvid): void {
    this.#tls?.setSecureContext(secureContext(identity));
  }

  /** Throws `TypeError` when it does not listen. */
  address(): AddressInfo {
    return addressOf(this.#tls, 'the peering listener');
  }

  async stop(): Promise<void> {
    this.#grpc.forceShutdown();
    for (const socket of this.#sockets) socket.destroy();
    const server = this.#tls;
    if (server?.listening) await new Promise<void>((resolve) => void server.close(() => resolve()));
  }

  #exchange(
    call: ServerUnaryCall<ExchangeSecretRequest, ExchangeSecretResponse>,
    callback: sendUnaryData<ExchangeSecretResponse>,
  ): void {
    const redirect = this.#redirect();
    if (redirect) {
      callback(redirect);
      return;
    }
    const answer = this.#peerings.exchangeSecret(call.request.peer_id, call.request.establishment_secret);
    if (typeof answer === 'string') {
      this.#log.warn('peering secret refused', { peerId: call.request.peer_id, code: answer });
      callback(REFUSALS[answer]);
    } else callback(null, { stream_secret: answer.streamSecret });
  }

  #stream(call: ServerDuplexStream<ReplicationMessage, ReplicationMessage>): void {
    let session: PeerStreamSession | undefined;
    let name: string | undefined;
    const fail = (error: object) => call.emit('error', error);
    const lost = () => {
      if (session && name !== undefined) this.#peerings.lost(name, session);
      session = undefined;
    };
    const redirect = this.#redirect();
    if (redirect) {
      fail(redirect);
      return;
    }
    call.on('data', (message: ReplicationMessage) => {
      if (session) {
        session.receive(message);
        return;
      }
      const { open } = message;
      if (!open) {
        fail({
          code: status.INVALID_ARGUMENT,
          details: 'first message when initiating a peering must be Open',
        });
        return;
      }
      const accepted = this.#peerings.accept(open, {
        send: (outgoing) => call.write(outgoing),
        end: (reason) =>
          reason === undefined ? call.end() : fail({ code: status.INVALID_ARGUMENT, details: reason }),
      });
      if (typeof accepted === 'string') {
        this.#log.warn('peering stream refused', { peerId: open.peer_id, code: accepted });
        fail(REFUSALS[accepted]);
        return;
      }
      session = accepted;
      name = this.#peerings.nameOf(open.peer_id);
      session.start();
    });
    call.on('end', () => {
      lost();
      call.end();
    });
    call.on('cancelled', lost);
    call.on('error', lost);
  }

  #redirect() {
    const address = this.#leaderAddress();
    if (address === undefined) return undefined;
    const details = 'node is not a leader and cannot serve peering streams';
    const metadata = new Metadata();
    metadata.set(
      'grpc-status-details-bin',
      statusMessage.encode({
        code: status.FAILED_PRECONDITION,
        message: details,
        details: [{ type_url: LEADER_ADDRESS_URL, value: leaderAddressMessage.encode({ address }) }],
      }),
    );
    return { code: status.FAILED_PRECONDITION, details, metadata };
  }
}

function secureContext(identity: WorkloadSvid) {
  return {
    cert: pemFromCertificates(identity.chain),
    key: identity.privateKey.export({ type: 'pkcs8', format: 'pem' }),
  };
}
