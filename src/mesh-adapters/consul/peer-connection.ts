import {
  Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import {
  leaderAddressMessage,
  peerStreamService,
  type ReplicationMessage,
  statusMessage,
} from '../../grpc/index.ts';
import type { Clock } from '../../platform/index.ts';
import { withDeadline } from '../contract/deadline.ts';
import { MeshAdapterError, type MeshAdapterErrorCode } from '../contract/errors.ts';
import { LeaderElsewhere } from './leader-address.ts';
import { isDialAddress, type PeeringToken } from './peering-token.ts';

const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
const EXCHANGE_MS = 10_000;
const HEARTBEAT_EVERY_MS = 15_000;
/**
 * A server that accepted an Open subscribes at once. A server that stays silent for this long has
 * not accepted it.
 */
const OPENING_MS = HEARTBEAT_EVERY_MS;
const SILENCE_LIMIT_MS = 120_000;

/**
 * A gRPC connection to one server of the cluster, verified against the token's CA under the token's
 * server name.
 */
export class PeerConnection {
  readonly #client: Client;
  readonly #clock: Clock;

  constructor(token: PeeringToken, address: string, clock: Clock) {
    this.#clock = clock;
    this.#client = new Client(address, credentials.createSsl(Buffer.from(token.caPem)), {
      'grpc.ssl_target_name_override': token.serverName,
      'grpc.default_authority': token.serverName,
      'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
      'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
      // Redialing is ours, with our backoff; and a cluster's own servers are not behind a proxy.
      'grpc.enable_retries': 0,
      'grpc.enable_http_proxy': 0,
    });
  }

  /**
   * A stream secret for the token's single-use secret. Throws `LeaderElsewhere`,
   * `MeshAdapterError`: `peering-secret-refused`, `peering-terminated`, `peer-stream-lost`,
   * `mesh-unreachable`.
   */
  exchangeSecret(token: PeeringToken, signal: AbortSignal): Promise<string> {
    const { path, requestSerialize, responseDeserialize } = peerStreamService.ExchangeSecret;
    const request = { peer_id: token.peerId, establishment_secret: token.establishmentSecret };
    const what = 'exchanging the secret of a peering token';
    return withDeadline({ ms: EXCHANGE_MS, what, clock: this.#clock, signal }, (cut) => {
      return new Promise<string>((resolve, reject) => {
        const call = this.#client.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          request,
          new Metadata(),
          {},
          (error, answer) => {
            if (error) reject(failureOf(error, what));
            else if (answer?.stream_secret) resolve(answer.stream_secret);
            else reject(new MeshAdapterError('mesh-answer-malformed', `${what} gave no secret`));
          },
        );
        cut.addEventListener('abort', () => call.cancel(), { once: true });
      });
    });
  }

  /**
   * Opens the stream, passes every message to `receive` until the stream ends, and keeps it alive.
   * Never resolves. Throws what `receive` throws, the signal's reason, `LeaderElsewhere`, or
   * `MeshAdapterError` `peer-stream-lost` (also when the opening is not answered within 15 s, or
   * two minutes pass without a message), `peering-secret-refused`, `peering-terminated`.
   */
  async run(options: {
    readonly start: (send: (message: ReplicationMessage) => void) => void;
    readonly receive: (message: ReplicationMessage) => void;
    readonly signal: AbortSignal;
  }): Promise<never> {
    const { path, requestSerialize, responseDeserialize } = peerStreamService.StreamResources;
    const call: ClientDuplexStream<ReplicationMessage, ReplicationMessage> =
      this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, new Metadata());
    const over = new AbortController();
    const end = (reason: unknown) => over.abort(reason);
    const signal = AbortSignal.any([options.signal, over.signal]);
    const openedMs = this.#clock.monotonicMs();
    let heardMs: number | undefined;
    call.on('data', (message: ReplicationMessage) => {
      heardMs = this.#clock.monotonicMs();
      if (signal.aborted) return;
      try {
        options.receive(message);
      } catch (error) {
        end(error);
      }
    });
    call.on('error', (error: ServiceError) => end(failureOf(error, 'the peering stream')));
    call.on('end', () =>
      end(new MeshAdapterError('peer-stream-lost', 'the cluster closed the peering stream')),
    );
    try {
      options.start((message) => call.write(message));
      for (;;) {
        await this.#clock.sleep(HEARTBEAT_EVERY_MS, signal);
        const nowMs = this.#clock.monotonicMs();
        if (heardMs === undefined && nowMs - openedMs >= OPENING_MS)
          throw new MeshAdapterError(
            'peer-stream-lost',
            `the cluster did not answer the opening of the peering stream within ${OPENING_MS / 1000} s`,
          );
        if (nowMs - (heardMs ?? openedMs) >= SILENCE_LIMIT_MS)
          throw new MeshAdapterError('peer-stream-lost', 'the cluster was silent for two minutes');
        call.write({ heartbeat: {} });
      }
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      call.cancel();
    }
  }

  close(): void {
    this.#client.close();
  }
}

function failureOf(error: ServiceError, what: string): Error {
  const leader = error.code === status.FAILED_PRECONDITION ? leaderOf(error) : undefined;
  if (leader !== undefined) return new LeaderElsewhere(leader);
  const { code } = error;
  const message = `${what} failed with ${status[code]}: ${JSON.stringify(error.details.slice(0, 300))}`;
  return new MeshAdapterError(codeOf(code), message);
}

function codeOf(code: status): MeshAdapterErrorCode {
  switch (code) {
    case status.PERMISSION_DENIED:
    case status.UNAUTHENTICATED:
      return 'peering-secret-refused';
    // The cluster does not have the peering, or is deleting it: its imported roots are gone and a
    // new token is needed.
    case status.NOT_FOUND:
    case status.INVALID_ARGUMENT:
    case status.ABORTED:
      return 'peering-terminated';
    default:
      return 'peer-stream-lost';
  }
}

/** The leader named in the details of a refusal, or undefined. */
function leaderOf(error: ServiceError): string | undefined {
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  if (!Buffer.isBuffer(bytes)) return undefined;
  try {
    for (const { type_url: typeUrl, value } of statusMessage.decode(bytes).details) {
      if (!typeUrl.endsWith('.LeaderAddress')) continue;
      const { address } = leaderAddressMessage.decode(value);
      if (isDialAddress(address)) return address;
    }
  } catch {
    // Details that do not parse name no leader.
  }
  return undefined;
}
