import { X509Certificate } from 'node:crypto';
import type { Server } from 'node:https';
import { secureContextOptions, type SvidSource, tlsIdentity } from '../mtls/index.ts';
import { type Clock, type Log, watchFiles } from '../platform/index.ts';
import { EndpointError } from './errors.ts';
import {
  readWebCertificate,
  type ShownCertificate,
  type WebCertificate,
  whyWorse,
} from './web-certificate.ts';

/** How the endpoint proves its identity (SPIFFE Federation §5.2). */
export type EndpointIdentity =
  | { readonly kind: 'https_spiffe'; readonly svid: SvidSource }
  | { readonly kind: 'https_web'; readonly certificateFile: string; readonly keyFile: string };

/** How often certificate files are checked. */
const LOOK_EVERY_MS = 2000;

interface ShownIdentityParts {
  readonly profile: EndpointIdentity;
  readonly url: URL;
  readonly server: Server;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * The certificate that the endpoint presents in handshakes. It is replaced without a restart when
 * its source has a new one.
 */
export class ShownIdentity {
  readonly #options: ShownIdentityParts;
  readonly #stopping = new AbortController();
  #watching: Promise<void> | undefined;
  #endsAt: Date | undefined;
  #trouble: Error | undefined;
  #web: ShownCertificate | undefined;

  constructor(options: ShownIdentityParts) {
    this.#options = options;
  }

  /** When the presented certificate ends; undefined where there is none. */
  get endsAt(): Date | undefined {
    return this.#endsAt;
  }

  /**
   * The certificate of `https_web` that is presented now; undefined with another profile, and
   * before the start.
   */
  get web(): ShownCertificate | undefined {
    return this.#web;
  }

  /** Why the last reading of the files failed. The certificate before is still presented. */
  get trouble(): Error | undefined {
    return this.#trouble;
  }

  /**
   * Presents the current certificate and follows its source. Rejects with `EndpointError`
   * `certificate-unusable`, `certificate-other-host`.
   */
  async start(): Promise<void> {
    const { profile } = this.#options;
    if (profile.kind === 'https_spiffe') this.#followSvid(profile.svid);
    else await this.#followFiles(profile);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#watching;
  }

  #followSvid(svid: SvidSource): void {
    const { log } = this.#options;
    const show = () => {
      const current = svid.current();
      if (!current) {
        this.#conceal();
        return;
      }
      try {
        this.#show(tlsIdentity(current));
      } catch (error) {
        log.error('own SVID not usable, the last one stays', { id: current.id, error });
      }
    };
    show();
    this.#stopping.signal.addEventListener('abort', svid.onChange(show), { once: true });
  }

  async #followFiles(files: { readonly certificateFile: string; readonly keyFile: string }): Promise<void> {
    const { url, clock, log } = this.#options;
    let shown = await readWebCertificate(files, url);
    this.#show(shown);
    this.#web = { ...datesOf(shown), file: files.certificateFile };
    this.#watching = watchFiles({
      paths: [files.certificateFile, files.keyFile],
      everyMs: LOOK_EVERY_MS,
      clock,
      signal: this.#stopping.signal,
      look: async () => {
        try {
          const found = await readWebCertificate(files, url);
          if (found.cert !== shown.cert || found.key !== shown.key) {
            this.#refuseWorse(found, shown, files.certificateFile);
            this.#show(found);
            shown = found;
            this.#web = { ...datesOf(found), file: files.certificateFile };
            log.info('certificate read again', { file: files.certificateFile });
          }
          this.#trouble = undefined;
        } catch (error) {
          this.#trouble = error instanceof Error ? error : new Error(String(error));
          log.error('certificate not usable, the last one stays', { error });
        }
      },
    });
  }

  /** An expired or future certificate never replaces a valid one. */
  #refuseWorse(found: WebCertificate, shown: WebCertificate, file: string): void {
    const why = whyWorse(found, shown, this.#options.clock.now());
    if (why === undefined) return;
    throw new EndpointError(
      'certificate-unusable',
      `the certificate in ${file} ${why}, and the presented one is valid`,
    );
  }

  /** Sets all settings again, because `setSecureContext` forgets what it is not given. */
  #show({ cert, key }: Pick<WebCertificate, 'cert' | 'key'>): void {
    this.#options.server.setSecureContext({ ...secureContextOptions(), cert, key });
    this.#endsAt = endOf(cert);
  }

  /**
   * Our SVID has expired or was revoked: no handshake succeeds until there is another (WLAPI-24).
   */
  #conceal(): void {
    this.#options.server.setSecureContext(secureContextOptions());
    this.#endsAt = undefined;
  }
}

function datesOf({ notBefore, notAfter }: WebCertificate) {
  return { notBefore, notAfter };
}

function endOf(pem: string): Date {
  return new X509Certificate(pem).validToDate;
}
