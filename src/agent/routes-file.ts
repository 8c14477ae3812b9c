import type { WarningDocument } from '../admin/index.ts';
import { messageOf } from '../errors/index.ts';
import { type Clock, type Log, readRegularText, Turns, writeDurably } from '../platform/index.ts';
import { type GatewayRoute, routesText } from '../service-exchange/index.ts';

/**
 * The route table that `federate gateway` reads. A reader sees the old table or the new one, and an
 * equal table is not written.
 */
export class RoutesFile {
  readonly #path: string;
  readonly #routes: () => readonly GatewayRoute[];
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #turns = new Turns();
  #written: string | undefined;
  #problem: { readonly message: string; readonly since: Date } | undefined;

  constructor(
    path: string,
    routes: () => readonly GatewayRoute[],
    { clock, log }: { readonly clock: Clock; readonly log: Log },
  ) {
    this.#path = path;
    this.#routes = routes;
    this.#clock = clock;
    this.#log = log;
  }

  /** Writes the table where it is another one. Never rejects. */
  update(): Promise<void> {
    return this.#turns.run(() => this.#update());
  }

  warnings(): readonly WarningDocument[] {
    if (!this.#problem) return [];
    const { message, since } = this.#problem;
    return [
      {
        trust_domain: null,
        code: 'routes-not-written',
        message: `the routes of the gateway cannot be written to ${this.#path}, and its last ones stay: ${message}`,
        since: since.toISOString(),
      },
    ];
  }

  async #update(): Promise<void> {
    try {
      const text = routesText(this.#routes());
      this.#written ??= await readRegularText(this.#path).catch(() => undefined);
      if (text !== this.#written) {
        await writeDurably(this.#path, text);
        this.#written = text;
        this.#log.info('the routes of the gateway were written', { file: this.#path });
      }
      this.#problem = undefined;
    } catch (error) {
      if (!this.#problem)
        this.#log.error('the routes of the gateway were not written', { file: this.#path, error });
      this.#problem = { message: messageOf(error), since: this.#problem?.since ?? this.#clock.now() };
    }
  }
}
