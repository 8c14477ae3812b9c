import { Client, type ClientDuplexStream, credentials, type ServiceError } from '@grpc/grpc-js';
import {
  type ExchangeSecretResponse,
  PEERING_TRUST_BUNDLE_URL,
  peeringTrustBundleMessage,
  peerStreamService,
  type ReplicationMessage,
} from '../../../src/grpc/index.ts';

interface TokenDocument {
  readonly CA: readonly string[];
  readonly ServerAddresses: readonly [string];
  readonly ServerName: string;
  PeerID: string;
  readonly EstablishmentSecret: string;
}

/** A peering token as the API gives it. */
function decodeToken(token: string): TokenDocument {
  return JSON.parse(Buffer.from(token, 'base64').toString('utf8'));
}

/** A bare peer that dials with a token and does nothing by itself. */
export class Peer {
  readonly token: TokenDocument;
  readonly received: ReplicationMessage[] = [];
  ended: { code: number; details: string } | undefined;
  readonly #client: Client;
  #stream: ClientDuplexStream<ReplicationMessage, ReplicationMessage> | undefined;

  constructor(token: string) {
    this.token = decodeToken(token);
    this.#client = new Client(
      this.token.ServerAddresses[0],
      credentials.createSsl(Buffer.from(this.token.CA.join('\n'))),
      {
        'grpc.ssl_target_name_override': this.token.ServerName,
        'grpc.use_local_subchannel_pool': 1,
      },
    );
  }

  exchange(
    secret: string = this.token.EstablishmentSecret,
    peerId: string = this.token.PeerID,
  ): Promise<string> {
    const { path, requestSerialize, responseDeserialize } = peerStreamService.ExchangeSecret;
    const request = { peer_id: peerId, establishment_secret: secret };
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        (error: ServiceError | null, response?: ExchangeSecretResponse) =>
          response ? resolve(response.stream_secret) : reject(error),
      );
    });
  }

  open(streamSecret: string): void {
    const { path, requestSerialize, responseDeserialize } = peerStreamService.StreamResources;
    this.ended = undefined;
    this.#stream = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    this.#stream.on('data', (message: ReplicationMessage) => this.received.push(message));
    this.#stream.on('error', () => {});
    this.#stream.on('status', ({ code, details }) => {
      this.ended = { code, details };
    });
    this.send({
      open: {
        peer_id: this.token.PeerID,
        stream_secret_id: streamSecret,
        remote: { partition: 'default', datacenter: 'federate' },
      },
    });
  }

  send(message: ReplicationMessage): void {
    this.#stream?.write(message);
  }

  subscribe(resourceUrl: string, nonce = '', error?: { code: number; message: string }): void {
    this.send({
      request: {
        peer_id: this.token.PeerID,
        response_nonce: nonce,
        resource_url: resourceUrl,
        ...(error && { error }),
      },
    });
  }

  sendBundle(trustDomain: string, rootPems: readonly string[], nonce = '01'): void {
    const value = peeringTrustBundleMessage.encode({
      trust_domain: trustDomain,
      peer_name: '',
      partition: '',
      root_pems: rootPems,
      exported_partition: '',
    });
    this.send({
      response: {
        nonce,
        resource_url: PEERING_TRUST_BUNDLE_URL,
        resource_id: 'roots',
        resource: { type_url: PEERING_TRUST_BUNDLE_URL, value },
        operation: 1,
      },
    });
  }

  /** The answers to our responses: nonce and, where refused, why. */
  answers() {
    return this.received.flatMap(({ request }) =>
      request && request.response_nonce !== ''
        ? [{ nonce: request.response_nonce, error: request.error?.message }]
        : [],
    );
  }

  bundles() {
    return this.received.flatMap(({ response }) =>
      response?.resource && response.resource_url === PEERING_TRUST_BUNDLE_URL
        ? [{ nonce: response.nonce, ...peeringTrustBundleMessage.decode(response.resource.value) }]
        : [],
    );
  }

  hangUp(): void {
    this.#stream?.end();
  }

  close(): void {
    this.#stream?.cancel();
    this.#client.close();
  }
}
