import type { ClientRequest } from 'node:http';
import { TLSSocket } from 'node:tls';
import { CodedError } from '../../../errors/index.ts';
import { closedBeforeFirstByte } from '../../../mtls/index.ts';
import { defined } from '../../../objects/index.ts';
import { type Clock, type Metrics, pause, type Random } from '../../../platform/index.ts';
import { SidecarError } from '../errors.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { forward, type Outcome } from '../exchange/forward.ts';
import { requestHeaders } from '../exchange/forwarded-headers.ts';
import { deadlineOf, DEFAULT_TIMEOUTS, type Timeouts } from '../exchange/timeouts.ts';
import { traceHeaders } from '../exchange/trace-context.ts';
import { refuseUnverified } from '../signing/refuse-unverified.ts';
import type { RequestSigner } from '../signing/request-signer.ts';
import type { PoolParts } from './endpoint-pool.ts';
import { EndpointPools, type PooledEndpoint } from './endpoint-pools.ts';
import { OutlierDetector, type OutlierSettings, type Result } from './outlier-detector.ts';
import { Places } from '../places.ts';
import { RetryBudget } from './retry-budget.ts';
import { backoffMs, isRepeatable, mayFollow, type RetrySettings } from './retry-rules.ts';
import type { UpstreamSource } from './upstream.ts';

/** The most that one upstream gets at the same time. */
export interface UpstreamLimits {
  /** With one endpoint. */
  readonly maxConnections: number;
  /** Requests that wait for a connection. */
  readonly maxPending: number;
  readonly maxRequests: number;
}

const DEFAULT_LIMITS: UpstreamLimits = { maxConnections: 64, maxPending: 1024, maxRequests: 1024 };

/** How an upstream is called; what is left out is off, or has its default. */
export interface CallSettings {
  readonly timeouts?: Timeouts;
  readonly limits?: UpstreamLimits;
  readonly outlierDetection?: OutlierSettings;
  readonly retries?: RetrySettings;
  /** Signs each request; left out: none is signed. */
  readonly signer?: RequestSigner;
}

export interface CallerParts extends Omit<PoolParts, 'connectMs' | 'maxConnections'> {
  readonly clock: Clock;
  readonly random: Random;
  readonly measures: CallMeasures;
}

/** The numbers about calls of upstreams. */
export interface CallMeasures {
  readonly retries: ReturnType<Metrics['counter']>;
  readonly ejections: ReturnType<Metrics['counter']>;
}

/**
 * Sends requests to one upstream: chooses the endpoint, keeps to the limits, tries again where that
 * is safe, and leaves out endpoints that fail.
 */
export class UpstreamCaller {
  readonly #source: UpstreamSource;
  readonly #parts: CallerParts;
  readonly #timeouts: Timeouts;
  readonly #retries: RetrySettings | undefined;
  readonly #budget: RetryBudget | undefined;
  readonly #signer: RequestSigner | undefined;
  readonly #outliers: OutlierDetector | undefined;
  readonly #pools: EndpointPools;
  readonly #requests: Places;
  readonly #pending: Places;

  constructor(source: UpstreamSource, settings: CallSettings, parts: CallerParts) {
    const { timeouts = DEFAULT_TIMEOUTS, limits = DEFAULT_LIMITS, retries, outlierDetection } = settings;
    this.#signer = settings.signer;
    const { clock, log, measures } = parts;
    this.#source = source;
    this.#parts = parts;
    this.#timeouts = timeouts;
    this.#retries = retries;
    this.#budget = retries && new RetryBudget(clock, retries.budget);
    this.#outliers =
      outlierDetection &&
      new OutlierDetector(clock, outlierDetection, (endpoint, forMs) => {
        measures.ejections.inc({ upstream: source.name });
        log.warn('endpoint ejected', { upstream: source.name, endpoint, forMs });
      });
    const { connectMs } = timeouts;
    const { maxConnections, maxPending, maxRequests } = limits;
    this.#pools = new EndpointPools(source, { ...parts, connectMs, maxConnections }, this.#outliers);
    this.#requests = new Places(maxRequests);
    this.#pending = new Places(maxPending);
  }

  get name(): string {
    return this.#source.name;
  }

  /** How many endpoints are left out now because they failed. */
  get ejected(): number {
    return this.#outliers?.ejected ?? 0;
  }

  /** Ends all connections at once. */
  destroy(): void {
    this.#pools.destroy();
  }

  /** Answers the exchange, with an answer of the upstream or with the reason why there is none. */
  async call(exchange: Exchange): Promise<void> {
    exchange.upstream = this.name;
    const leave = this.#requests.take();
    if (!leave) {
      this.#refuse(
        exchange,
        new SidecarError('max-requests-reached', this.#full(this.#requests, 'requests')),
      );
      return;
    }
    this.#budget?.noteRequest();
    const deadline = deadlineOf(exchange, this.#parts.clock, this.#timeouts);
    try {
      const content = await this.#signer?.read(exchange, deadline.signal);
      await this.#tryUntilAnswered(exchange, content, deadline.signal);
    } catch (error) {
      if (!(error instanceof SidecarError)) throw error;
      refuseUnverified(exchange, error);
    } finally {
      deadline.stop();
      leave();
    }
  }

  async #tryUntilAnswered(
    exchange: Exchange,
    content: Buffer | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const tried = new Set<string>();
    for (let retry = 1; ; retry += 1) {
      const chosen = this.#pools.choose(tried);
      if (!chosen) {
        this.#refuse(exchange, this.#noEndpoint());
        return;
      }
      tried.add(chosen.key);
      const outcome = await this.#attempt(exchange, content, chosen, signal, retry);
      if (outcome.kind === 'passed' || outcome.kind === 'caller-gone') return;
      if (outcome.kind === 'failed') {
        const repeatable = isRepeatable(exchange, content);
        if (!mayFollow(outcome, repeatable) || !this.#takeRetry(retry)) {
          this.#refuse(exchange, reasonOf(outcome, chosen), chosen);
          return;
        }
      }
      if (!(await this.#waitBeforeRetry(retry, signal))) {
        const reason: unknown = signal.reason;
        if (reason instanceof SidecarError) this.#refuse(exchange, reason, chosen);
        return;
      }
    }
  }

  async #attempt(
    exchange: Exchange,
    content: Buffer | undefined,
    chosen: PooledEndpoint,
    signal: AbortSignal,
    retry: number,
  ): Promise<Outcome> {
    const { incoming, trace } = exchange;
    const { pool, key } = chosen;
    // Each attempt has a nonce of its own, because the one before may have arrived.
    const signed = content && (await this.#signer?.sign(exchange, content));
    const leavePending = pool.hasFreeConnection() ? () => {} : this.#pending.take();
    if (!leavePending) {
      const error = new SidecarError('max-pending-reached', this.#full(this.#pending, 'waiting requests'));
      return { kind: 'failed', error, outgoing: undefined, wasSent: false };
    }
    exchange.attempts += 1;
    const end = this.#outliers?.begin(key);
    let leavePlace: () => void;
    try {
      leavePlace = await pool.places.enter(signal);
    } catch (error) {
      leavePending();
      end?.('unknown');
      if (!(error instanceof SidecarError)) throw error;
      return { kind: 'failed', error, outgoing: undefined, wasSent: false };
    }
    const { method, url: path } = incoming;
    const headers = defined({
      ...requestHeaders(incoming.headers),
      ...signed,
      ...(trace && traceHeaders(trace)),
    });
    let outgoing: ClientRequest | undefined;
    const outcome = await forward({
      exchange,
      open: () => {
        outgoing = pool.request({ method, path, headers });
        return outgoing;
      },
      body: content,
      clock: this.#parts.clock,
      idleMs: this.#timeouts.idleMs,
      signal,
      onConnected: () => {
        leavePending();
        exchange.peer = pool.peerOf(outgoing?.socket)?.id;
      },
      holdBack: (status) =>
        this.#retries?.statuses.has(status) === true &&
        isRepeatable(exchange, content) &&
        this.#takeRetry(retry),
    });
    leavePending();
    leavePlace();
    end?.(resultOf(outcome));
    return outcome;
  }

  #takeRetry(retry: number): boolean {
    if (!this.#retries || !this.#budget || retry > this.#retries.attempts) return false;
    const isGranted = this.#budget.take();
    this.#parts.measures.retries.inc({
      upstream: this.name,
      outcome: isGranted ? 'sent' : 'over-budget',
    });
    return isGranted;
  }

  async #waitBeforeRetry(retry: number, signal: AbortSignal): Promise<boolean> {
    if (!this.#retries) throw new TypeError('unreachable: a retry without settings');
    const { clock, random } = this.#parts;
    return await pause(clock, backoffMs(this.#retries, retry, random), signal);
  }

  #refuse(exchange: Exchange, { code, message }: CodedError, chosen?: PooledEndpoint): void {
    this.#parts.log.info('call failed', {
      code,
      reason: message,
      upstream: this.name,
      ...defined({ to: chosen?.endpoint.serverName }),
    });
    exchange.refuse(statusOf(code), code, message);
  }

  #noEndpoint(): SidecarError {
    const name = JSON.stringify(this.name);
    const { absence } = this.#source.current();
    if (absence) return new SidecarError(absence.code, absence.message);
    return this.#pools.isEmpty
      ? new SidecarError('no-endpoint', `${name} has no endpoint now`)
      : new SidecarError(
          'no-usable-endpoint',
          `every endpoint of ${name} failed, and is left out for a time`,
        );
  }

  #full({ most }: Places, what: string): string {
    return `${JSON.stringify(this.name)} has ${most} ${what} already, which is the limit`;
  }
}

/** What the end of an attempt says about the endpoint. */
function resultOf(outcome: Outcome): Result {
  switch (outcome.kind) {
    case 'caller-gone':
      return 'unknown';
    case 'held-back':
      return 'failed';
    case 'passed':
      return outcome.brokeOff || outcome.status >= 500 ? 'failed' : 'good';
    case 'failed': {
      const code = outcome.error instanceof CodedError ? outcome.error.code : '';
      // The reason is here, and not with the endpoint.
      if (OURS.has(code)) return 'unknown';
      return code === 'request-timeout' && !outcome.wasSent ? 'unknown' : 'failed';
    }
  }
}

const OURS: ReadonlySet<string> = new Set([
  'no-svid',
  'no-trust',
  'request-malformed',
  'endpoint-removed',
  'max-pending-reached',
]);

/**
 * TLS 1.3 lets us finish before the other side has judged our SVID: its refusal is an end before
 * the first byte.
 */
function reasonOf(
  { error, outgoing }: Extract<Outcome, { kind: 'failed' }>,
  { endpoint, pool }: PooledEndpoint,
): CodedError {
  if (error instanceof CodedError) return error;
  const { socket, reusedSocket } = outgoing ?? {};
  const peer = pool.peerOf(socket);
  if (peer && socket instanceof TLSSocket && !reusedSocket && closedBeforeFirstByte(socket, peer)) {
    return new SidecarError(
      'peer-refused',
      `${peer.id} ended the connection before its first byte: it does not trust us, or it went away`,
      { cause: error },
    );
  }
  const who = peer?.id ?? endpoint.spiffeIds.join(' or ');
  return new SidecarError('peer-broke', `the connection with ${who} broke: ${error.message}`, {
    cause: error,
  });
}

/**
 * The other side was there, and its answer was none; anything else may be better at the next try.
 */
const BAD_GATEWAY: ReadonlySet<string> = new Set([
  'peer-broke',
  'peer-silent',
  'answer-malformed',
  'request-malformed',
]);

function statusOf(code: string): number {
  if (code === 'request-timeout') return 504;
  return BAD_GATEWAY.has(code) ? 502 : 503;
}
