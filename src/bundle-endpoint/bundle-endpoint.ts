import type { AddressInfo } from 'node:net';
import type { Clock, ListenAddress, Log, Metrics } from '../platform/index.ts';
import type { TrustBundle } from '../spiffe/index.ts';
import { createAnswerer } from './answer-requests.ts';
import { defaultEndpointLimits, type EndpointLimits } from './endpoint-limits.ts';
import { EndpointServer } from './endpoint-server.ts';
import type { EndpointExtension } from './extension.ts';
import { type PublishedBundle, publishedBundle, tagOfBundle } from './published-bundle.ts';
import { type ClientObserver, SeenClients } from './seen-clients.ts';
import { type EndpointIdentity, ShownIdentity } from './shown-identity.ts';
import { WaitingClients } from './waiting-clients.ts';
import type { ShownCertificate } from './web-certificate.ts';

export interface BundleEndpointOptions extends ClientObserver {
  readonly profile: EndpointIdentity;
  /** The advertised URL. */
  readonly url: URL;
  /** A path that serves the bundle in addition to `/`. */
  readonly path: string;
  /** Those that are absent are `defaultEndpointLimits`. */
  readonly limits: Pick<EndpointLimits, 'maxConnections' | 'maxConnectionsPerAddress'> &
    Partial<EndpointLimits>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/**
 * Serves our bundle over HTTPS. Its certificate is replaced without a restart or a dropped request.
 */
export class BundleEndpoint {
  readonly #log: Log;
  readonly #server: EndpointServer;
  readonly #identity: ShownIdentity;
  readonly #waiting: WaitingClients;
  #published: PublishedBundle | undefined;
  #extension: EndpointExtension | undefined;

  constructor(options: BundleEndpointOptions) {
    const { path, clock, log, metrics } = options;
    const limits = { ...defaultEndpointLimits, ...options.limits };
    this.#log = log;
    this.#waiting = new WaitingClients(clock, {
      most: limits.maxWaiting,
      mostPerAddress: limits.maxWaitingPerAddress,
    });
    const held = metrics.gauge('federate_endpoint_waiting', 'Clients held until the bundle changes');
    metrics.beforeRender(() => held.set(this.#waiting.count));
    const onRequest = createAnswerer({
      path,
      published: () => this.#published,
      extension: () => this.#extension,
      waiting: this.#waiting,
      clients: new SeenClients(options, clock),
      clock,
      log,
      metrics,
    });
    this.#server = new EndpointServer({ limits, onRequest, log, metrics });
    this.#identity = new ShownIdentity({ ...options, server: this.#server.tls });
  }

  /** Whether there are a bundle and a certificate, so that a poll can succeed. */
  get ready(): boolean {
    return this.#published !== undefined && this.#identity.endsAt !== undefined && this.#server.listening;
  }

  /**
   * The certificate of `https_web` that is presented now; undefined with another profile, and
   * before the start.
   */
  get webCertificate(): ShownCertificate | undefined {
    return this.#identity.web;
  }

  /** When the presented certificate ends; undefined where there is none. */
  get certificateEndsAt(): Date | undefined {
    return this.#identity.endsAt;
  }

  /**
   * Why the last reading of the certificate files failed. The certificate before is still
   * presented.
   */
  get certificateTrouble(): Error | undefined {
    return this.#identity.trouble;
  }

  /**
   * Serves this bundle from now on. Throws `TypeError` for a bundle without sequence or refresh
   * hint.
   */
  publish(bundle: TrustBundle): void {
    const before = this.#published;
    this.#published = publishedBundle(bundle);
    if (before?.etag !== this.#published.etag) void this.#waiting.wakeAll();
    this.#log.info('own bundle published', {
      sequence: bundle.sequence,
      authorities: bundle.x509Authorities.length,
    });
  }

  /** Serves this bundle if a different one is served. Returns whether it changed anything. */
  correct(bundle: TrustBundle | undefined): boolean {
    if (!bundle || tagOfBundle(bundle) === this.#published?.etag) return false;
    this.publish(bundle);
    return true;
  }

  /** Serves an extension on paths of its own from now on; `undefined` removes it. */
  extend(extension: EndpointExtension | undefined): void {
    this.#extension = extension;
  }

  /**
   * Throws `EndpointError`: `port-in-use`, `listen-failed`, and for `https_web`
   * `certificate-unusable`, `certificate-other-host`.
   */
  async start(address: ListenAddress): Promise<void> {
    await this.#identity.start();
    await this.#server.start(address);
  }

  address(): AddressInfo {
    return this.#server.address();
  }

  /**
   * Accepts no more connections and closes those without a request in flight. Requests in flight
   * may take `graceMs`.
   */
  async stop(graceMs: number): Promise<void> {
    this.#waiting.close();
    await this.#identity.stop();
    await this.#server.stop(graceMs);
  }
}
