import { type Clock, Listeners, type Log, pause, type Random, within } from '../../platform/index.ts';
import type { TrustBundle, X509Authority } from '../../spiffe/index.ts';
import { backoffMs } from '../contract/backoff.ts';
import type { ForeignTrustReport } from '../contract/mesh-adapter.ts';
import { PeerConnection } from './peer-connection.ts';
import { type DialEvent, type DialStep, firstDialing, nextDialing } from './peer-dialing.ts';
import type { PeerImports } from './peer-imports.ts';
import { PeerSession } from './peer-session.ts';
import {
  labelOf,
  nextTrust,
  type PeerTrust,
  pendingTrust,
  reportOfTrust,
  type TrustEvent,
} from './peer-trust.ts';
import type { PeeringToken } from './peering-token.ts';
import { renderTrustBundle } from './render.ts';

export interface PeerLinkOptions {
  readonly bundle: TrustBundle;
  readonly roots: readonly X509Authority[];
  /** The services of the peer, and how far they came. */
  readonly imports: PeerImports;
  /** Makes a new token for this peering. */
  readonly generateToken: (signal: AbortSignal) => Promise<PeeringToken>;
  readonly onReport: (report: ForeignTrustReport) => void;
  /** The cluster has answered about a service that nothing waited for. */
  readonly onImports: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/**
 * Runs our side of one peering, for one trust domain: dials with a fresh token, sends the bundle and
 * the services of the peer, keeps the stream, and dials again when it is lost. `peer-dialing.ts`
 * decides each step, and `peer-trust.ts` what is reported.
 */
export class PeerLink {
  readonly #options: PeerLinkOptions;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  readonly #reports = new Listeners();
  readonly #answers = new Listeners();
  #dialing = firstDialing;
  #trust: PeerTrust;
  /** The session of the open stream. */
  #session: PeerSession | undefined;
  /** Ends the pause before the next dialing. */
  #waking: AbortController | undefined;

  constructor(options: PeerLinkOptions) {
    this.#options = options;
    this.#trust = pendingTrust(options.bundle, options.roots);
    this.#running = this.#run();
  }

  get roots(): readonly X509Authority[] {
    return this.#trust.roots;
  }

  /** Sends these roots on the open stream, or on the next one. Sends nothing where they are the same. */
  update(bundle: TrustBundle, roots: readonly X509Authority[]): void {
    this.#onTrust({ kind: 'wanted', bundle, roots });
  }

  /** Resolves when the control plane has answered, or the try has failed, or after `ms`. */
  async settled(ms: number, signal: AbortSignal): Promise<ForeignTrustReport> {
    if (this.#trust.outcome.state === 'pending')
      await within(this.#options.clock, ms, (over) => nextOf([this.#reports], over), signal);
    return this.report();
  }

  /**
   * Sends the services of the peer that changed, and those with these names again, on the open
   * stream or on the next one.
   */
  servicesChanged(lost: readonly string[] = []): void {
    this.#session?.servicesChanged(lost);
  }

  /** Resolves when the cluster has answered about every service, or the link is lost, or after `ms`. */
  async servicesSettled(ms: number, signal: AbortSignal): Promise<void> {
    const { clock, imports } = this.#options;
    if (imports.isSettled) return;
    await within(
      clock,
      ms,
      async (over) => {
        while (!imports.isSettled && !over.aborted && this.#trust.outcome.code === undefined)
          await nextOf([this.#answers, this.#reports], over);
      },
      signal,
    );
  }

  /** Dials now where a stream was lost and the link waits before it dials again. */
  dialNow(): void {
    this.#waking?.abort();
  }

  report(): ForeignTrustReport {
    return { ...reportOfTrust(this.#trust), at: this.#options.clock.now() };
  }

  /** Ends the stream; the peering stays as it is. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const event = await this.#take(this.#dialing.step, signal);
      if (!signal.aborted) this.#onDialing(event);
    }
  }

  /** Takes a step until it ends, and returns the event that ended it. Never rejects. */
  async #take(step: DialStep, signal: AbortSignal): Promise<DialEvent> {
    const { clock, random, generateToken } = this.#options;
    switch (step.kind) {
      case 'request-token':
        try {
          return { kind: 'token', token: await generateToken(signal) };
        } catch (error) {
          return { kind: 'no-token', error };
        }
      case 'dial': {
        const dialedMs = clock.monotonicMs();
        try {
          return await this.#converse(step, signal);
        } catch (error) {
          return { kind: 'stream-lost', error, openMs: clock.monotonicMs() - dialedMs };
        }
      }
      case 'pause':
        this.#waking = new AbortController();
        await pause(clock, backoffMs(step.failures, random), AbortSignal.any([signal, this.#waking.signal]));
        this.#waking = undefined;
        return { kind: 'pause-over' };
    }
  }

  /** Dials, exchanges the secret where there is none, and stays on the stream. Only ever throws. */
  async #converse(
    { token, address, secret }: DialStep & { readonly kind: 'dial' },
    signal: AbortSignal,
  ): Promise<never> {
    const connection = new PeerConnection(token, address, this.#options.clock);
    try {
      const streamSecret = secret ?? (await connection.exchangeSecret(token, signal));
      this.#onDialing({ kind: 'secret', secret: streamSecret });
      return await connection.run({
        start: (send) => {
          this.#session = this.#createSession(token, send);
          this.#session.start(streamSecret);
        },
        receive: (message) => this.#session?.receive(message),
        signal,
      });
    } finally {
      this.#session = undefined;
      connection.close();
    }
  }

  #createSession(
    token: PeeringToken,
    send: ConstructorParameters<typeof PeerSession>[0]['send'],
  ): PeerSession {
    return new PeerSession({
      peerId: token.peerId,
      send,
      bundle: () => {
        const { bundle, roots } = this.#trust;
        return { digest: labelOf(this.#trust), message: renderTrustBundle(bundle.trustDomain, roots) };
      },
      services: () => this.#options.imports.wanted,
      onServiceAnswer: (answer) => {
        this.#options.imports.take(answer);
        this.#answers.notify();
        if (this.#options.imports.isSettled) this.#options.onImports();
      },
      onAccepted: (label) => this.#onTrust({ kind: 'accepted', label }),
      onRefused: (label, reason) => this.#onTrust({ kind: 'refused', label, reason }),
      onExports: (services) => this.#onTrust({ kind: 'exported', services }),
      onAddresses: (addresses) => this.#onDialing({ kind: 'addresses', addresses }),
    });
  }

  #onDialing(event: DialEvent): void {
    const { dialing, forTrust } = nextDialing(this.#dialing, event);
    this.#dialing = dialing;
    for (const each of forTrust) {
      if (each.kind === 'peering-ended') this.#options.imports.peeringEnded();
      if (each.kind === 'unreachable') {
        const { trustDomain } = this.#trust.bundle;
        const { failures } = dialing;
        this.#options.log.warn('peering stream lost', { trustDomain, failures, error: each.error });
      }
      this.#onTrust(each);
    }
  }

  #onTrust(event: TrustEvent): void {
    const { trust, effects } = nextTrust(this.#trust, event);
    this.#trust = trust;
    for (const effect of effects) {
      switch (effect) {
        case 'send':
          this.#session?.bundleChanged();
          break;
        case 'log-exports':
          this.#options.log.info('services exported to a peer', { services: trust.exports });
          break;
        case 'report':
          this.#reports.notify();
          this.#options.onReport(this.report());
      }
    }
  }
}

/** Resolves at the next notice of one of them, or when the signal aborts. */
function nextOf(listeners: readonly Listeners[], over: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const removes = listeners.map((each) => each.add(() => end()));
    const end = () => {
      for (const remove of removes) remove();
      resolve();
    };
    over.addEventListener('abort', end, { once: true });
  });
}
