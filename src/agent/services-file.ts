import type { WarningDocument } from '../admin/index.ts';
import { agentConfigSchema, readConfig, type ServicesConfig } from '../config/index.ts';
import { messageOf } from '../errors/index.ts';
import { type Clock, Listeners, type Log, pause, watchFiles } from '../platform/index.ts';

/** How often the file is looked at. */
const LOOK_EVERY_MS = 2000;
/** A changed file counts when it is the same after this time. */
const SETTLE_MS = 500;

/** The lists of `services` that are read again while the agent runs. */
type Lists = Pick<ServicesConfig, 'services' | 'exports' | 'imports' | 'access'>;

const NO_LISTS: Lists = { services: [], exports: [], imports: [], access: [] };

/**
 * The section `services` of the agent's config file: its lists as the file has them now, everything
 * else as it was at the start. A file that cannot be used changes nothing, and is a warning.
 */
export class ServicesFile {
  readonly #file: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #listeners = new Listeners();
  readonly #stopping = new AbortController();
  #current: ServicesConfig;
  #seen: string;
  #problem: { readonly message: string; readonly since: Date } | undefined;
  #watching: Promise<void> | undefined;

  constructor({
    file,
    initial,
    clock,
    log,
  }: {
    readonly file: string;
    readonly initial: ServicesConfig;
    readonly clock: Clock;
    readonly log: Log;
  }) {
    this.#file = file;
    this.#current = initial;
    this.#seen = JSON.stringify(listsOf(initial));
    this.#clock = clock;
    this.#log = log;
  }

  /** Calls back after each change of a list. */
  readonly onChange = this.#listeners.add;

  get current(): ServicesConfig {
    return this.#current;
  }

  start(): void {
    this.#watching = watchFiles({
      paths: [this.#file],
      everyMs: LOOK_EVERY_MS,
      clock: this.#clock,
      signal: this.#stopping.signal,
      look: () => this.#look(),
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#watching;
  }

  warnings(): readonly WarningDocument[] {
    if (!this.#problem) return [];
    const { message, since } = this.#problem;
    return [
      {
        trust_domain: null,
        code: 'services-config-unusable',
        message: `the config file cannot be used now, and the services that it declared before stay: ${message}`,
        since: since.toISOString(),
      },
    ];
  }

  #read(): Lists {
    const { services } = readConfig(this.#file, agentConfigSchema).config;
    return services ? listsOf(services) : NO_LISTS;
  }

  async #look(): Promise<void> {
    try {
      const lists = this.#read();
      const seen = JSON.stringify(lists);
      if (seen !== this.#seen) {
        // A file in the middle of a write can be a good one with shorter lists.
        if (!(await pause(this.#clock, SETTLE_MS, this.#stopping.signal))) return;
        // Another look follows, because the file has changed since this one began.
        if (JSON.stringify(this.#read()) !== seen) return;
      }
      this.#problem = undefined;
      if (seen === this.#seen) return;
      this.#seen = seen;
      this.#current = { ...this.#current, ...lists };
      this.#log.info('the services of the config file are others now', {
        services: lists.services.length,
        exports: lists.exports.length,
        imports: lists.imports.length,
        access: lists.access.length,
      });
      this.#listeners.notify();
    } catch (error) {
      if (!this.#problem)
        this.#log.error('the config file cannot be used, its last services stay', { error });
      this.#problem = { message: messageOf(error), since: this.#problem?.since ?? this.#clock.now() };
    }
  }
}

function listsOf({ services, exports, imports, access }: ServicesConfig): Lists {
  return { services, exports, imports, access };
}
