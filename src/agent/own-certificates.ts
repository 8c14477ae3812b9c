import type { WarningCode, WarningDocument } from '../admin/index.ts';
import type { BundleEndpoint } from '../bundle-endpoint/index.ts';
import type { Svid } from '../mtls/index.ts';
import { type Clock, formatDurationMs, type Log, pause } from '../platform/index.ts';
import { parseCertificate } from '../spiffe/index.ts';
import type { OwnSvid } from './open-svid.ts';

const LONGEST_LEAD_MS = 7 * 24 * 3_600_000;
/**
 * An SVID with a life of one hour is renewed at half of it, so a warning days before the end would
 * never stop.
 */
const SHARE_OF_LIFE = 5;
const LOOK_EVERY_MS = 60_000;

/** The certificates that the agent shows. */
export interface OwnCertificateFacts {
  readonly web: BundleEndpoint['webCertificate'];
  readonly svid: Svid | undefined;
}

/**
 * Warns of a certificate of ours that ends soon: seven days before, or a fifth of its life where
 * that is shorter. One that has ended, and files that are not used, are reported with the other
 * resources of the agent. Pure.
 */
export function certificateWarnings(
  { web, svid }: OwnCertificateFacts,
  now: Date,
): readonly WarningDocument[] {
  const [der] = svid?.certificateChain ?? [];
  const leaf = der && parseCertificate(der);
  return [
    ...(web
      ? endOf(
          'endpoint-certificate-ends',
          `the certificate of our bundle endpoint (${web.file})`,
          web,
          now,
          'peers that poll it over https_web fail from then on',
        )
      : []),
    ...(svid && leaf
      ? endOf('own-svid-ends', `our own SVID ${svid.id}`, leaf, now, 'every peer refuses it from then on')
      : []),
  ];
}

function endOf(
  code: WarningCode,
  name: string,
  { notBefore, notAfter }: { readonly notBefore: Date; readonly notAfter: Date },
  now: Date,
  harm: string,
): WarningDocument[] {
  const leftMs = notAfter.getTime() - now.getTime();
  const leadMs = Math.min(LONGEST_LEAD_MS, (notAfter.getTime() - notBefore.getTime()) / SHARE_OF_LIFE);
  if (leftMs <= 0 || leftMs > leadMs) return [];
  const message = `${name} ends at ${notAfter.toISOString()}, in ${formatDurationMs(leftMs)}: ${harm}`;
  return [warning(code, message, new Date(notAfter.getTime() - leadMs))];
}

function warning(code: WarningCode, message: string, since: Date): WarningDocument {
  return { trust_domain: null, code, message, since: since.toISOString() };
}

/** Checks the agent's own certificates, for its warnings and for a log line when one begins. */
export class OwnCertificates {
  readonly #facts: () => OwnCertificateFacts;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  readonly #logged = new Set<string>();
  #running: Promise<void> | undefined;

  constructor(options: {
    readonly endpoint: Pick<BundleEndpoint, 'webCertificate'>;
    readonly identity: Pick<OwnSvid, 'svid'> | undefined;
    readonly clock: Clock;
    readonly log: Log;
  }) {
    const { endpoint, identity } = options;
    this.#facts = () => ({ web: endpoint.webCertificate, svid: identity?.svid.current() });
    this.#clock = options.clock;
    this.#log = options.log;
  }

  warnings(): readonly WarningDocument[] {
    return certificateWarnings(this.#facts(), this.#clock.now());
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    do this.#logNew();
    while (await pause(this.#clock, LOOK_EVERY_MS, signal));
  }

  #logNew(): void {
    const warnings = this.warnings();
    const codes = new Set<string>(warnings.map(({ code }) => code));
    for (const code of this.#logged) if (!codes.has(code)) this.#logged.delete(code);
    for (const { code, message } of warnings) {
      if (this.#logged.has(code)) continue;
      this.#logged.add(code);
      this.#log.warn('own certificate needs a hand', { code, why: message });
    }
  }
}
