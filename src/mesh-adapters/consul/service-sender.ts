import {
  EXPORTED_SERVICE_LIST_URL,
  EXPORTED_SERVICE_URL,
  exportedServiceListMessage,
} from '../../grpc/index.ts';
import { type AnnouncedService, proxyNameOf } from './announcement.ts';

/** What the cluster answered about one service, or about the list of all names. */
export type ServiceAnswer = (
  | { readonly kind: 'service'; readonly name: string; readonly content: Buffer }
  | { readonly kind: 'list'; readonly names: readonly string[] }
) & { readonly refusal?: string };

export interface ServiceSenderOptions {
  /** The services of the peer; undefined while it is not known which are wanted. */
  readonly wanted: () => readonly AnnouncedService[] | undefined;
  /** Sends one resource, and returns its nonce. */
  readonly respond: (resourceUrl: string, id: string, value: Buffer) => string;
  readonly onAnswer: (answer: ServiceAnswer) => void;
}

/**
 * Sends the services of one peer on one open peering stream: each that changed, then the list of
 * names where that changed. Because the cluster deletes every service that is not on the list,
 * nothing is sent before the wanted services are known.
 */
export class ServiceSender {
  readonly #options: ServiceSenderOptions;
  readonly #subscribed = new Set<string>();
  /** What was sent last, by name. */
  readonly #sent = new Map<string, Buffer>();
  readonly #waiting = new Map<string, ServiceAnswer>();
  #sentNames: string | undefined;

  constructor(options: ServiceSenderOptions) {
    this.#options = options;
  }

  /** Notes a subscription of the cluster, and sends what it is for. */
  subscribed(resourceUrl: string): void {
    this.#subscribed.add(resourceUrl);
    this.changed();
  }

  /** Sends what differs from what was sent last. */
  changed(): void {
    const wanted = this.#options.wanted();
    if (!wanted) return;
    const names = wanted.map(({ name }) => name);
    if (this.#subscribed.has(EXPORTED_SERVICE_URL)) {
      for (const service of wanted) this.#sendService(service);
      for (const name of this.#sent.keys()) if (!names.includes(name)) this.#sent.delete(name);
    }
    if (!this.#subscribed.has(EXPORTED_SERVICE_LIST_URL) || this.#sentNames === names.join()) return;
    this.#sentNames = names.join();
    const value = exportedServiceListMessage.encode({ services: names });
    const nonce = this.#options.respond(EXPORTED_SERVICE_LIST_URL, 'exported-service-list', value);
    this.#waiting.set(nonce, { kind: 'list', names });
  }

  /** Sends these services again at the next change, also where they are the same. */
  forget(names: readonly string[]): void {
    for (const name of names) this.#sent.delete(name);
    this.#sentNames = undefined;
  }

  /** Takes an answer of the cluster; false where the nonce is not of a service. */
  answered(nonce: string, refusal: string | undefined): boolean {
    const waiting = this.#waiting.get(nonce);
    if (!waiting) return false;
    this.#waiting.delete(nonce);
    this.#options.onAnswer(refusal === undefined ? waiting : { ...waiting, refusal });
    return true;
  }

  #sendService({ name, content }: AnnouncedService): void {
    if (this.#sent.get(name)?.equals(content)) return;
    this.#sent.set(name, content);
    const nonce = this.#options.respond(EXPORTED_SERVICE_URL, proxyNameOf(name), content);
    this.#waiting.set(nonce, { kind: 'service', name, content });
  }
}
