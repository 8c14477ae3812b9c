import type { Clock, Log } from '../../../platform/index.ts';
import type { SpiffeId } from '../../../spiffe/index.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { Places } from '../places.ts';
import { CallerRates, type CallerRateSettings } from './caller-rates.ts';
import { HealthCheck, type HealthCheckSettings } from './health-check.ts';

/** What protects a workload from its callers, and them from it; what is left out is off. */
export interface ProtectionSettings {
  /** Requests to the workload at the same time. */
  readonly maxRequests?: number;
  readonly callerRates?: CallerRateSettings;
  readonly healthCheck?: HealthCheckSettings;
}

/** Rate limits of callers, health check of the workload, and the limit of its requests. */
export class WorkloadProtection {
  readonly #rates: CallerRates | undefined;
  readonly #places: Places;
  readonly #health: HealthCheck | undefined;

  constructor(
    settings: ProtectionSettings,
    target: { readonly host: string; readonly port: number },
    parts: { readonly clock: Clock; readonly log: Log },
  ) {
    const { callerRates, healthCheck, maxRequests = Number.POSITIVE_INFINITY } = settings;
    this.#rates = callerRates && new CallerRates(parts.clock, callerRates);
    this.#places = new Places(maxRequests);
    this.#health = healthCheck && new HealthCheck(healthCheck, target, parts);
  }

  /** Why the workload cannot work; undefined when it can, or is not checked. */
  get workloadProblem(): string | undefined {
    return this.#health?.problem;
  }

  start(): void {
    this.#health?.start();
  }

  stop(): void {
    this.#health?.stop();
  }

  /** Whether the caller keeps to its rate. Answers the request where it does not. */
  keepsRate(exchange: Exchange, caller: SpiffeId): boolean {
    const waitMs = this.#rates?.take(caller) ?? 0;
    if (waitMs === 0) return true;
    exchange.refuse(429, 'rate-limited', `${caller} calls more often than it may`, {
      'retry-after': String(Math.ceil(waitMs / 1000)),
    });
    return false;
  }

  /**
   * Takes a place at the workload; returns how to give it back. Answers the request and returns
   * undefined where the workload is unhealthy or has no place.
   */
  enter(exchange: Exchange): (() => void) | undefined {
    const problem = this.workloadProblem;
    if (problem !== undefined) {
      exchange.refuse(503, 'workload-unhealthy', `the workload is unhealthy: ${problem}`);
      return undefined;
    }
    const leave = this.#places.take();
    if (!leave)
      exchange.refuse(
        503,
        'max-requests-reached',
        `the workload has ${this.#places.most} requests already, which is the limit`,
      );
    return leave;
  }
}
