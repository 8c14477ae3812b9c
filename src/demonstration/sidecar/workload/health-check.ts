import { request } from 'node:http';
import { type Clock, type Log, pause } from '../../../platform/index.ts';
import { IdleTimer } from '../exchange/idle-timer.ts';
import { MAX_HEADER_BYTES } from '../limits.ts';
import { HealthState, type HealthThresholds } from './health-state.ts';

/** How the workload is checked. */
export interface HealthCheckSettings extends HealthThresholds {
  readonly path: string;
  /** From the end of a check to the beginning of the next. */
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** Asks the workload again and again whether it can work: GET, and a status from 200 to 299. */
export class HealthCheck {
  readonly #settings: HealthCheckSettings;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #state: HealthState;
  readonly #stopping = new AbortController();

  constructor(
    settings: HealthCheckSettings,
    target: { readonly host: string; readonly port: number },
    parts: { readonly clock: Clock; readonly log: Log },
  ) {
    this.#settings = settings;
    this.#target = target;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#state = new HealthState(settings);
  }

  /** Why the workload is unhealthy; undefined when it is healthy. */
  get problem(): string | undefined {
    return this.#state.problem;
  }

  start(): void {
    void this.#run();
  }

  stop(): void {
    this.#stopping.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    do {
      const found = await this.#check();
      if (signal.aborted) return;
      if (this.#state.note(found)) {
        if (found === undefined) this.#log.info('workload healthy');
        else this.#log.warn('workload unhealthy', { reason: found });
      }
    } while (await pause(this.#clock, this.#settings.intervalMs, signal));
  }

  /** One check: undefined when it is good, else what was wrong. */
  #check(): Promise<string | undefined> {
    const { path, timeoutMs } = this.#settings;
    return new Promise((resolve) => {
      const outgoing = request({
        ...this.#target,
        path,
        headers: { 'user-agent': 'federate-sidecar' },
        agent: false,
        maxHeaderSize: MAX_HEADER_BYTES,
        signal: this.#stopping.signal,
      });
      const end = (found: string | undefined) => {
        timer.stop();
        outgoing.destroy();
        resolve(found);
      };
      const timer = new IdleTimer(this.#clock, timeoutMs, () =>
        end(`GET ${path} was not answered within ${timeoutMs} ms`),
      );
      outgoing.on('response', ({ statusCode = 0 }) =>
        end(
          statusCode >= 200 && statusCode <= 299 ? undefined : `GET ${path} was answered with ${statusCode}`,
        ),
      );
      outgoing.on('upgrade', () => end(`GET ${path} was answered with a switch of the protocol`));
      outgoing.on('error', (error) => end(`GET ${path} failed: ${error.message}`));
      outgoing.end();
    });
  }
}
