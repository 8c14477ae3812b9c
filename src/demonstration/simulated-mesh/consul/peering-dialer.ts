import { Client, type ClientDuplexStream, credentials, status } from '@grpc/grpc-js';
import { type Clock, type Log, pause, type Random } from '../../../platform/index.ts';
import {
  type ExchangeSecretResponse,
  peerStreamService,
  type ReplicationMessage,
} from '../../../grpc/index.ts';
import { SimulatedMeshError } from '../errors.ts';
import type { ConsulState, Peering } from './consul-state.ts';
import type { Peerings } from './peerings.ts';

const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 30_000;
const CALL_TIMEOUT_MS = 10_000;
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

/**
 * Keeps the streams that we open: connects, exchanges the secret once, and starts again when a
 * stream is lost.
 */
export class PeeringDialer {
  readonly #options: PeeringDialerOptions;
  readonly #running = new Map<string, { readonly stop: AbortController; readonly done: Promise<void> }>();

  constructor(options: PeeringDialerOptions) {
    this.#options = options;
  }

  /** Dials the peering from now on; what was dialed under that name before is given up. */
  dial(name: string): void {
    this.#running.get(name)?.stop.abort();
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, this.#options.signal]);
    this.#running.set(name, { stop, done: this.#keepDialed(name, signal) });
  }

  async stop(): Promise<void> {
    for (const { stop } of this.#running.values()) stop.abort();
    await Promise.all([...this.#running.values()].map(({ done }) => done));
  }

  async #keepDialed(name: string, signal: AbortSignal): Promise<void> {
    const { state, clock, random, log } = this.#options;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      const peering = state.peering(name);
      if (!peering?.dial || peering.state === 'DELETING' || peering.state === 'TERMINATED') return;
      try {
        await this.#dialOnce(peering, attempt, signal);
        attempt = -1;
      } catch (error) {
        if (signal.aborted) return;
        log.warn('peering not dialed', { peering: name, error });
        const now = state.peering(name);
        if (now?.state === 'ACTIVE') state.putPeering({ ...now, state: 'FAILING' });
      }
      const wait = Math.min(FIRST_RETRY_MS * 2 ** Math.max(0, attempt), LONGEST_RETRY_MS);
      if (!(await pause(clock, wait * (0.5 + random.fraction() / 2), signal))) return;
    }
  }

  /** One stream, from connecting to its end. */
  async #dialOnce(peering: Peering, attempt: number, signal: AbortSignal): Promise<void> {
    const { dial } = peering;
    const address = dial?.addresses[attempt % dial.addresses.length];
    if (!dial || address === undefined) return;
    const client = new Client(address, credentials.createSsl(Buffer.from(dial.caPems.join('\n'))), {
      'grpc.ssl_target_name_override': dial.serverName,
      'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
      // A new channel each time, so that nothing of an earlier connection, above all its
      // certificate, is used again.
      'grpc.use_local_subchannel_pool': 1,
    });
    const abort = () => client.close();
    signal.addEventListener('abort', abort, { once: true });
    try {
      const ready = peering.establishmentSecret ? await this.#exchangeSecret(client, peering) : peering;
      await this.#stream(client, ready, signal);
    } finally {
      signal.removeEventListener('abort', abort);
      client.close();
    }
  }

  async #exchangeSecret(client: Client, peering: Peering): Promise<Peering> {
    const { path, requestSerialize, responseDeserialize } = peerStreamService.ExchangeSecret;
    const request = {
      peer_id: peering.remoteId ?? '',
      establishment_secret: peering.establishmentSecret ?? '',
    };
    const { stream_secret: streamSecret } = await new Promise<ExchangeSecretResponse>((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        { deadline: new Date(this.#options.clock.now().getTime() + CALL_TIMEOUT_MS) },
        (error, response) => {
          if (response) resolve(response);
          else reject(error ?? new SimulatedMeshError('peering-stream', 'the peer sent no answer'));
        },
      );
    });
    const { establishmentSecret: _, ...rest } = peering;
    return this.#options.state.putPeering({ ...rest, streamSecret });
  }

  #stream(client: Client, peering: Peering, signal: AbortSignal): Promise<void> {
    const { peerings, datacenter } = this.#options;
    const { path, requestSerialize, responseDeserialize } = peerStreamService.StreamResources;
    const call: ClientDuplexStream<ReplicationMessage, ReplicationMessage> = client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
    );
    const session = peerings.dialed(peering, {
      send: (message) => call.write(message),
      end: (reason) => {
        if (reason === undefined) call.end();
        else call.cancel();
      },
    });
    const cancel = () => call.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    call.write({
      open: {
        peer_id: peering.remoteId ?? '',
        stream_secret_id: peering.streamSecret ?? '',
        remote: { partition: 'default', datacenter },
      },
    });
    session.start();
    return new Promise<void>((resolve, reject) => {
      call.on('data', (message: ReplicationMessage) => session.receive(message));
      call.on('status', ({ code, details }) => {
        signal.removeEventListener('abort', cancel);
        peerings.lost(peering.name, session);
        if (code === status.OK) resolve();
        else
          reject(
            new SimulatedMeshError(
              'peering-stream',
              `the stream of peering ${peering.name} ended: ${details}`,
            ),
          );
      });
      // The status has the same content and always arrives; without a listener the error would end
      // the process.
      call.on('error', () => {});
    });
  }
}

interface PeeringDialerOptions {
  readonly state: ConsulState;
  readonly peerings: Peerings;
  readonly datacenter: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
}
