import { messageOf } from '../../../errors/index.ts';
import { type Clock, type Log, pause } from '../../../platform/index.ts';
import {
  type AnyMessage,
  EXPORTED_SERVICE_LIST_URL,
  EXPORTED_SERVICE_URL,
  type ExportedService,
  exportedServiceListMessage,
  exportedServiceMessage,
  PEERING_SERVER_ADDRESSES_URL,
  PEERING_TRUST_BUNDLE_URL,
  type PeeringTrustBundle,
  peeringTrustBundleMessage,
  type ReplicationMessage,
} from '../../../grpc/index.ts';

/** One resource as it is sent: its ID within its type, and its value. */
export interface PeerResource {
  readonly id: string;
  readonly value: AnyMessage;
}

interface PeerStreamSessionOptions {
  /** The dialer subscribes to the server addresses besides. */
  readonly role: 'acceptor' | 'dialer';
  /** The other side's ID of the peering, as messages carry it; empty where it is not known. */
  readonly remoteId: string;
  readonly send: (message: ReplicationMessage) => void;
  /** Ends the stream: without a reason in good order, with one as a failure. */
  readonly end: (reason?: string) => void;
  /** What we have of a type, read when the peer subscribes and again at `changed`. */
  readonly resources: (resourceUrl: string) => readonly PeerResource[];
  readonly onTrustBundle: (bundle: PeeringTrustBundle) => void;
  readonly onServerAddresses: (value: Buffer) => void;
  /** One service of the peer, under the name of its proxies. */
  readonly onService: (name: string, service: ExportedService) => void;
  /** The names of all services of the peer: any other one is gone. */
  readonly onServiceList: (names: readonly string[]) => void;
  readonly onTerminated: () => void;
  readonly clock: Clock;
  readonly log: Log;
}

const HEARTBEAT_EVERY_MS = 15_000;
const SILENCE_LIMIT_MS = 120_000;
const UPSERT = 1;
const INVALID_ARGUMENT = 3;

const RESOURCE_URLS: ReadonlySet<string> = new Set([
  EXPORTED_SERVICE_URL,
  EXPORTED_SERVICE_LIST_URL,
  PEERING_TRUST_BUNDLE_URL,
  PEERING_SERVER_ADDRESSES_URL,
]);

/**
 * One side of a peering stream after its Open: subscriptions, resources with nonces, their
 * acknowledgement, heartbeats, and the message that ends the peering. Both sides run the same code.
 */
export class PeerStreamSession {
  readonly #options: PeerStreamSessionOptions;
  readonly #over = new AbortController();
  /** What the peer subscribed to, and its answer to the last resource that we sent. */
  readonly #subscribed = new Map<string, { sent: string; nonce: string; refused?: string }>();
  #nonce = 0;
  #heardMs: number;
  #heardAt: Date;

  constructor(options: PeerStreamSessionOptions) {
    this.#options = options;
    this.#heardMs = options.clock.monotonicMs();
    this.#heardAt = options.clock.now();
  }

  /** The time of the peer's last message. */
  get lastReceiveAt(): Date {
    return this.#heardAt;
  }

  /** Subscribes to what we want and keeps the stream alive until it ends. */
  start(): void {
    const wanted = [EXPORTED_SERVICE_URL, EXPORTED_SERVICE_LIST_URL, PEERING_TRUST_BUNDLE_URL];
    if (this.#options.role === 'dialer') wanted.push(PEERING_SERVER_ADDRESSES_URL);
    for (const resourceUrl of wanted) this.#request(resourceUrl, '');
    void this.#keepAlive();
  }

  /** Takes one message of the peer. */
  receive(message: ReplicationMessage): void {
    if (this.#over.signal.aborted) return;
    this.#heardMs = this.#options.clock.monotonicMs();
    this.#heardAt = this.#options.clock.now();
    if (message.request) this.#onRequest(message.request);
    else if (message.response) this.#onResponse(message.response);
    else if (message.terminated) {
      this.#options.onTerminated();
      this.#end();
    } else if (message.open) this.#end('a stream is opened once, by its first message');
  }

  /**
   * Sends a type again where the peer subscribed it and its content is another than what was sent
   * last.
   */
  changed(resourceUrl: string): void {
    const subscription = this.#subscribed.get(resourceUrl);
    if (subscription) this.#send(resourceUrl, subscription);
  }

  /** Notifies the peer that the peering is over, and ends the stream. */
  terminate(): void {
    if (this.#over.signal.aborted) return;
    this.#options.send({ terminated: {} });
    this.#end();
  }

  /** Ends the stream as a failure. */
  close(reason: string): void {
    this.#end(reason);
  }

  /** The stream has ended; nothing more is sent. */
  closed(): void {
    this.#over.abort();
  }

  #onRequest(request: NonNullable<ReplicationMessage['request']>): void {
    const { resource_url: resourceUrl, response_nonce: nonce, error } = request;
    if (!RESOURCE_URLS.has(resourceUrl)) {
      this.#end(`subscription request to unknown resource URL: ${resourceUrl.slice(0, 200)}`);
      return;
    }
    const subscription = this.#subscribed.get(resourceUrl);
    if (nonce === '') {
      if (subscription) return;
      const fresh = { sent: '', nonce: '' };
      this.#subscribed.set(resourceUrl, fresh);
      this.#send(resourceUrl, fresh);
    } else if (error) {
      this.#options.log.warn('peer refused a resource', {
        resourceUrl,
        nonce,
        code: error.code,
        reason: error.message,
      });
      if (subscription) subscription.refused = error.message;
    }
  }

  #onResponse(response: NonNullable<ReplicationMessage['response']>): void {
    const { nonce, resource_url: resourceUrl, resource_id: id, operation, resource } = response;
    if (nonce === '') {
      this.#end('a response has a nonce');
      return;
    }
    const refusal =
      operation === UPSERT ? this.#take(resourceUrl, id, resource) : `unsupported operation ${operation}`;
    if (refusal !== undefined)
      this.#options.log.warn('resource of the peer refused', { resourceUrl, reason: refusal });
    this.#request(resourceUrl, nonce, refusal);
  }

  /** Why the resource is not taken, or undefined. */
  #take(resourceUrl: string, id: string, resource: AnyMessage | undefined): string | undefined {
    if (!RESOURCE_URLS.has(resourceUrl)) return `unknown resource URL ${resourceUrl.slice(0, 200)}`;
    if (!resource || resource.type_url !== resourceUrl) return 'the resource is not of the type of its URL';
    try {
      if (resourceUrl === PEERING_TRUST_BUNDLE_URL) {
        this.#options.onTrustBundle(peeringTrustBundleMessage.decode(resource.value));
      } else if (resourceUrl === PEERING_SERVER_ADDRESSES_URL) {
        this.#options.onServerAddresses(resource.value);
      } else if (resourceUrl === EXPORTED_SERVICE_LIST_URL) {
        this.#options.onServiceList(exportedServiceListMessage.decode(resource.value).services);
      } else {
        this.#options.onService(id, exportedServiceMessage.decode(resource.value));
      }
    } catch (error) {
      return `the resource does not parse: ${messageOf(error)}`;
    }
    return undefined;
  }

  #send(resourceUrl: string, subscription: { sent: string; nonce: string }): void {
    for (const { id, value } of this.#options.resources(resourceUrl)) {
      const content = `${id}:${value.value.toString('base64')}`;
      if (subscription.sent === content) continue;
      this.#nonce += 1;
      subscription.nonce = this.#nonce.toString(16).padStart(8, '0');
      subscription.sent = content;
      this.#options.send({
        response: {
          nonce: subscription.nonce,
          resource_url: resourceUrl,
          resource_id: id,
          resource: value,
          operation: UPSERT,
        },
      });
    }
  }

  #request(resourceUrl: string, nonce: string, refusal?: string): void {
    this.#options.send({
      request: {
        peer_id: this.#options.remoteId,
        response_nonce: nonce,
        resource_url: resourceUrl,
        ...(refusal !== undefined && { error: { code: INVALID_ARGUMENT, message: refusal } }),
      },
    });
  }

  async #keepAlive(): Promise<void> {
    const { clock, send } = this.#options;
    while (await pause(clock, HEARTBEAT_EVERY_MS, this.#over.signal)) {
      if (clock.monotonicMs() - this.#heardMs >= SILENCE_LIMIT_MS) {
        this.#end('the peer was silent for two minutes');
        return;
      }
      send({ heartbeat: {} });
    }
  }

  #end(reason?: string): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    this.#options.end(reason);
  }
}
