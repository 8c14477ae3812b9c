import {
  EXPORTED_SERVICE_LIST_URL,
  EXPORTED_SERVICE_URL,
  exportedServiceListMessage,
  PEERING_SERVER_ADDRESSES_URL,
  PEERING_TRUST_BUNDLE_URL,
  type PeeringTrustBundle,
  peeringServerAddressesMessage,
  peeringTrustBundleMessage,
  type ReplicationMessage,
} from '../../grpc/index.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import type { AnnouncedService } from './announcement.ts';
import { isDialAddress } from './peering-token.ts';
import { type ServiceAnswer, ServiceSender } from './service-sender.ts';

/** A bundle to be sent, with the digest it is reported by. */
export interface SentBundle {
  readonly digest: string;
  readonly message: PeeringTrustBundle;
}

export interface PeerSessionOptions {
  /** The accepting cluster's ID of the peering. */
  readonly peerId: string;
  readonly bundle: () => SentBundle;
  /** The services of the peer; undefined while it is not known which are wanted. */
  readonly services: () => readonly AnnouncedService[] | undefined;
  readonly send: (message: ReplicationMessage) => void;
  readonly onAccepted: (digest: string) => void;
  readonly onRefused: (digest: string, reason: string) => void;
  readonly onServiceAnswer: (answer: ServiceAnswer) => void;
  readonly onAddresses: (addresses: readonly string[]) => void;
  /** The names of the services that the cluster exports to this peer, all of them each time. */
  readonly onExports: (services: readonly string[]) => void;
}

const UPSERT = 1;
const INVALID_ARGUMENT = 3;
/** More names than an operator reads. */
const MAX_EXPORTS = 1000;
const SUBSCRIBED = [
  EXPORTED_SERVICE_URL,
  EXPORTED_SERVICE_LIST_URL,
  PEERING_TRUST_BUNDLE_URL,
  PEERING_SERVER_ADDRESSES_URL,
];

/**
 * The dialing side of one open peering stream: subscribes as a cluster would, sends our bundle
 * under ID `roots` and the services of the peer to a server that subscribed, and records the answers.
 * It has no knowledge of connections and time. See docs/meshes/consul.md.
 */
export class PeerSession {
  readonly #options: PeerSessionOptions;
  /** Bundles that wait for their answer, by nonce. */
  readonly #waiting = new Map<string, string>();
  readonly #services: ServiceSender;
  #bundleSubscribed = false;
  #sent: string | undefined;
  #nonce = 0;

  constructor(options: PeerSessionOptions) {
    this.#options = options;
    this.#services = new ServiceSender({
      wanted: options.services,
      respond: (resourceUrl, id, value) => this.#respond(resourceUrl, id, value),
      onAnswer: options.onServiceAnswer,
    });
  }

  /** Opens the stream and subscribes. */
  start(streamSecret: string): void {
    const { send, peerId } = this.#options;
    send({ open: { peer_id: peerId, stream_secret_id: streamSecret } });
    for (const resourceUrl of SUBSCRIBED) this.#answer(resourceUrl, '');
  }

  /**
   * Handles one message. Throws `MeshAdapterError` `peering-terminated` when the message ends the
   * peering.
   */
  receive(message: ReplicationMessage): void {
    if (message.request) this.#onRequest(message.request);
    else if (message.response) this.#onResponse(message.response);
    else if (message.terminated)
      throw new MeshAdapterError('peering-terminated', 'the cluster has ended the peering');
  }

  /** Sends the bundle again where it is another than was sent last. */
  bundleChanged(): void {
    const { digest, message } = this.#options.bundle();
    if (!this.#bundleSubscribed || digest === this.#sent) return;
    this.#sent = digest;
    const nonce = this.#respond(PEERING_TRUST_BUNDLE_URL, 'roots', peeringTrustBundleMessage.encode(message));
    this.#waiting.set(nonce, digest);
  }

  /** Sends the services that are others than were sent last, and those with these names again. */
  servicesChanged(lost: readonly string[]): void {
    if (lost.length > 0) this.#services.forget(lost);
    this.#services.changed();
  }

  #onRequest(request: NonNullable<ReplicationMessage['request']>): void {
    const { resource_url: resourceUrl, response_nonce: nonce, error } = request;
    if (nonce === '') {
      this.#onSubscription(resourceUrl);
      return;
    }
    if (this.#services.answered(nonce, error?.message.slice(0, 300))) return;
    const digest = this.#waiting.get(nonce);
    if (digest === undefined) return;
    this.#waiting.delete(nonce);
    if (error) this.#options.onRefused(digest, error.message.slice(0, 300));
    else this.#options.onAccepted(digest);
  }

  #onSubscription(resourceUrl: string): void {
    if (resourceUrl === PEERING_TRUST_BUNDLE_URL) {
      this.#bundleSubscribed = true;
      this.bundleChanged();
    } else this.#services.subscribed(resourceUrl);
  }

  #onResponse({
    resource_url: resourceUrl,
    nonce,
    resource,
  }: NonNullable<ReplicationMessage['response']>): void {
    if (!SUBSCRIBED.includes(resourceUrl)) {
      this.#answer(resourceUrl, nonce, 'a type that was not subscribed');
      return;
    }
    if (resourceUrl === PEERING_SERVER_ADDRESSES_URL && resource) {
      const { addresses } = peeringServerAddressesMessage.decode(resource.value);
      this.#options.onAddresses(addresses.filter(isDialAddress));
    }
    if (resourceUrl === EXPORTED_SERVICE_LIST_URL && resource) {
      const { services } = exportedServiceListMessage.decode(resource.value);
      this.#options.onExports(services.slice(0, MAX_EXPORTS));
    }
    this.#answer(resourceUrl, nonce);
  }

  #answer(resourceUrl: string, nonce: string, refusal?: string): void {
    this.#options.send({
      request: {
        peer_id: this.#options.peerId,
        response_nonce: nonce,
        resource_url: resourceUrl,
        ...(refusal === undefined ? {} : { error: { code: INVALID_ARGUMENT, message: refusal } }),
      },
    });
  }

  #respond(resourceUrl: string, id: string, value: Buffer): string {
    this.#nonce += 1;
    const nonce = this.#nonce.toString(16).padStart(8, '0');
    this.#options.send({
      response: {
        nonce,
        resource_url: resourceUrl,
        resource_id: id,
        resource: { type_url: resourceUrl, value },
        operation: UPSERT,
      },
    });
    return nonce;
  }
}
