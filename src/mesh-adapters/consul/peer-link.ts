import { type Clock, describeError, type Log, type Random } from '../../platform/index.ts';
import { contentDigest, type TrustBundle, type X509Authority } from '../../spiffe/index.ts';
import { backoffMs } from '../contract/backoff.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import type { ForeignTrustReport, PropagationState } from '../contract/mesh-adapter.ts';
import { addressOfLeader } from './leader-address.ts';
import { LeaderElsewhere, PeerConnection } from './peer-connection.ts';
import { PeerSession } from './peer-session.ts';
import type { PeeringToken } from './peering-token.ts';
import { renderTrustBundle } from './render.ts';

/** Redirections to a leader before we take a pause. */
const MAX_REDIRECTS = 5;
/**
 * A stream that was open this long was a good one; after a shorter one the pauses go on growing.
 */
const GOOD_STREAM_MS = 60_000;
/**
 * After this many failed streams in a row the cluster is asked again for its name and its roots.
 */
const STALE_AFTER = 3;
/** Services that a sentence names. */
const MAX_NAMED = 20;
const PROXY_SUFFIX = '-sidecar-proxy';

export interface PeerLinkOptions {
  readonly bundle: TrustBundle;
  readonly roots: readonly X509Authority[];
  /** Makes a new token for this peering. */
  readonly generateToken: (signal: AbortSignal) => Promise<PeeringToken>;
  readonly onReport: (report: ForeignTrustReport) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

interface Outcome {
  readonly state: PropagationState;
  readonly digest: string;
  readonly code?: string;
  readonly message?: string;
}

/**
 * Runs our side of one peering, for one trust domain: dials with a fresh token, sends the bundle,
 * keeps the stream, and dials again when it is lost. The stream's secret stays in memory; after a
 * restart a new token replaces it.
 */
export class PeerLink {
  readonly #options: PeerLinkOptions;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  readonly #waiting = new Set<() => void>();
  #bundle: TrustBundle;
  #roots: readonly X509Authority[];
  #outcome: Outcome;
  /** What the control plane has accepted, also while the stream is lost. */
  #accepted: string | undefined;
  #session: PeerSession | undefined;
  #token: PeeringToken | undefined;
  #secret: string | undefined;
  /**
   * Whether the token may be of before the cluster's CA, its name or the cluster itself changed.
   */
  #stale = false;
  #addresses: readonly string[] = [];
  #exports: readonly string[] = [];
  /** What the cluster reported on a stream, if anything. */
  #namedByServer: readonly string[] = [];
  /** The time at which a stream was last open. */
  readonly #tried = new Set<string>();
  #turn = 0;
  /** Ends the pause before the next dialing. */
  #wake: (() => void) | undefined;

  constructor(options: PeerLinkOptions) {
    this.#options = options;
    this.#bundle = options.bundle;
    this.#roots = options.roots;
    this.#outcome = { state: 'pending', digest: contentDigest(options.bundle) };
    this.#running = this.#run();
  }

  get roots(): readonly X509Authority[] {
    return this.#roots;
  }

  /**
   * Sends these roots on the open stream, or on the next one; what is the same already is not sent.
   */
  update(bundle: TrustBundle, roots: readonly X509Authority[]): void {
    const digest = contentDigest(bundle);
    const same = this.#sentLabel === labelOf(digest, roots);
    this.#bundle = bundle;
    this.#roots = roots;
    if (same) return;
    this.#outcome = { state: 'pending', digest };
    this.#session?.bundleChanged();
  }

  /** Resolves when the control plane has answered, or the try has failed, or after `ms`. */
  async settled(ms: number, signal: AbortSignal): Promise<ForeignTrustReport> {
    if (this.#outcome.state === 'pending') {
      const over = new AbortController();
      const answered = new Promise<void>((resolve) => {
        const done = () => resolve();
        this.#waiting.add(done);
        over.signal.addEventListener('abort', () => this.#waiting.delete(done), { once: true });
      });
      const late = this.#options.clock.sleep(ms, AbortSignal.any([over.signal, signal])).catch(() => {});
      await Promise.race([answered, late]);
      over.abort();
    }
    return this.report();
  }

  /** Dials now where a stream was lost and the link waits before it dials again. */
  dialNow(): void {
    this.#wake?.();
  }

  report(): ForeignTrustReport {
    return {
      trustDomain: this.#bundle.trustDomain,
      ...this.#outcome,
      ...(this.#outcome.state === 'accepted' && this.#outcome.code === undefined && noteOf(this.#exports)),
      at: this.#options.clock.now(),
    };
  }

  /** Ends the stream; the peering stays as it is. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  get #known(): readonly string[] {
    return [...new Set([...(this.#token?.addresses ?? []), ...this.#namedByServer])];
  }

  get #sentLabel(): string {
    return labelOf(contentDigest(this.#bundle), this.#roots);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { clock, random, log } = this.#options;
    let failures = 0;
    let redirects = 0;
    while (!signal.aborted) {
      const dialedMs = clock.monotonicMs();
      try {
        await this.#converse(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof LeaderElsewhere && redirects < MAX_REDIRECTS) {
          redirects += 1;
          this.#addresses = [addressOfLeader(error.address, this.#known, this.#tried)];
          continue;
        }
        redirects = 0;
        this.#tried.clear();
        // Judge a stream by its length, not by its messages: a server that ends every stream after
        // the first message must not cause a busy loop.
        failures = clock.monotonicMs() - dialedMs >= GOOD_STREAM_MS ? 1 : failures + 1;
        this.#forget(error);
        this.#stale = failures % STALE_AFTER === 0;
        log.warn('peering stream lost', { trustDomain: this.#bundle.trustDomain, failures, error });
        this.#lost(error);
      }
      await this.#pause(backoffMs(failures, random));
    }
  }

  async #pause(ms: number): Promise<void> {
    const waking = new AbortController();
    this.#wake = () => waking.abort();
    try {
      await this.#options.clock.sleep(ms, AbortSignal.any([this.#stopping.signal, waking.signal]));
    } catch {
      // Woken, or stopped: the loop looks at why.
    }
    this.#wake = undefined;
  }

  /** Dials, exchanges the secret where there is none, and stays on the stream. Only ever throws. */
  async #converse(signal: AbortSignal): Promise<never> {
    const token = await this.#usableToken(signal);
    const address = this.#addresses[this.#turn % this.#addresses.length] ?? '';
    this.#tried.add(address);
    const connection = new PeerConnection(token, address, this.#options.clock);
    try {
      this.#secret ??= await connection.exchangeSecret(token, signal);
      const secret = this.#secret;
      return await connection.run({
        start: (send) => {
          this.#session = this.#createSession(token, send);
          this.#session.start(secret);
        },
        receive: (message) => this.#session?.receive(message),
        signal,
      });
    } finally {
      this.#session = undefined;
      connection.close();
    }
  }

  async #usableToken(signal: AbortSignal): Promise<PeeringToken> {
    const [token, secret] = [this.#token, this.#secret];
    if (token && secret !== undefined && !this.#stale) return token;
    let fresh: PeeringToken;
    try {
      fresh = await this.#options.generateToken(signal);
    } catch (error) {
      if (!token || secret === undefined || signal.aborted) throw error;
      // The stream may return without the API, with the secret that we have.
      return token;
    }
    this.#stale = false;
    const samePeering = token?.peerId === fresh.peerId;
    const sameServers = token?.serverName === fresh.serverName && token.caPem === fresh.caPem;
    if (!samePeering || !sameServers) this.#secret = undefined;
    if (token && !samePeering) this.#forgetPeering();
    if (this.#addresses.length === 0 || !sameServers) this.#addresses = fresh.addresses;
    this.#token = fresh;
    return fresh;
  }

  #createSession(
    token: PeeringToken,
    send: ConstructorParameters<typeof PeerSession>[0]['send'],
  ): PeerSession {
    return new PeerSession({
      peerId: token.peerId,
      send,
      bundle: () => ({
        digest: this.#sentLabel,
        message: renderTrustBundle(this.#bundle.trustDomain, this.#roots),
      }),
      onAccepted: (label) => {
        this.#accepted = label;
        if (label === this.#sentLabel)
          this.#report({ state: 'accepted', digest: contentDigest(this.#bundle) });
      },
      onRefused: (label, reason) => {
        if (label !== this.#sentLabel) return;
        const message = `the control plane refused the bundle: ${JSON.stringify(reason)}`;
        this.#report({
          state: 'refused',
          digest: contentDigest(this.#bundle),
          code: 'mesh-refused',
          message,
        });
      },
      onExports: (services) => {
        const before = this.#exports.join();
        // A mesh service is reported twice: itself, and its proxy.
        this.#exports = services.filter((name) => !name.endsWith(PROXY_SUFFIX)).toSorted();
        if (this.#exports.join() === before) return;
        const { log, onReport } = this.#options;
        log.info('services exported to a peer', { services: this.#exports });
        if (this.#outcome.state === 'accepted') onReport(this.report());
      },
      onAddresses: (addresses) => {
        if (addresses.length === 0) return;
        this.#addresses = addresses;
        this.#namedByServer = addresses;
        // A server that sends this has accepted the stream.
        this.#tried.clear();
      },
    });
  }

  /** Drops what cannot be used again after this error. */
  #forget(error: unknown): void {
    this.#turn += 1;
    const code = error instanceof MeshAdapterError ? error.code : undefined;
    if (code === 'peering-secret-refused' || code === 'peering-terminated') this.#secret = undefined;
    if (code === 'peering-terminated') this.#forgetPeering();
    // The named leader may be gone: return to the addresses of the token, or of the next token
    // where this one is spent.
    this.#addresses = this.#token && this.#secret !== undefined ? this.#token.addresses : [];
  }

  /** With the peering the control plane forgets what it imported, and what it exported. */
  #forgetPeering(): void {
    this.#accepted = undefined;
    this.#exports = [];
  }

  #lost(error: unknown): void {
    const { code = 'peer-stream-lost', message } = describeError(error);
    const held = this.#accepted === this.#sentLabel;
    this.#report({ state: held ? 'accepted' : 'failed', digest: contentDigest(this.#bundle), code, message });
  }

  #report(outcome: Outcome): void {
    this.#outcome = outcome;
    for (const done of this.#waiting) done();
    this.#waiting.clear();
    this.#options.onReport(this.report());
  }
}

/**
 * What the trust opens: proxies take the roots of a peer only for services that are exported to
 * that peer.
 */
function noteOf(
  services: readonly string[],
): { readonly code: string; readonly message: string } | undefined {
  if (services.length === 0) return undefined;
  const named = services.slice(0, MAX_NAMED).map((name) => JSON.stringify(name.slice(0, 80)));
  const more = services.length > MAX_NAMED ? ` and ${services.length - MAX_NAMED} more` : '';
  return { code: 'services-exported', message: `exported to it: ${named.join(', ')}${more}` };
}

/** Identifies what is sent by its bundle and by the roots that were admitted. */
function labelOf(digest: string, roots: readonly X509Authority[]): string {
  return [digest, ...roots.map(({ fingerprint }) => fingerprint).sort()].join(' ');
}
