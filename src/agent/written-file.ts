import type { WarningDocument } from '../admin/index.ts';
import { messageOf } from '../errors/index.ts';
import { type Clock, type Log, readRegularText, Turns, writeDurably } from '../platform/index.ts';

interface WrittenFileOptions {
  readonly path: string;
  /** What it holds, in a sentence, such as "the routes of the gateway". */
  readonly what: string;
  /** The code of the warning that it cannot be written. */
  readonly code: WarningDocument['code'];
  /** Undefined while it is not known; what is written stays then. */
  readonly content: () => string | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * A file that follows a state of the agent. A reader sees the old content or the new one, and equal
 * content is not written.
 */
export class WrittenFile {
  readonly #options: WrittenFileOptions;
  readonly #turns = new Turns();
  #written: string | undefined;
  #problem: { readonly message: string; readonly since: Date } | undefined;

  constructor(options: WrittenFileOptions) {
    this.#options = options;
  }

  /** Writes the content where it is another one. Never rejects. */
  update(): Promise<void> {
    return this.#turns.run(() => this.#update());
  }

  warnings(): readonly WarningDocument[] {
    if (!this.#problem) return [];
    const { path, what, code } = this.#options;
    const { message, since } = this.#problem;
    return [
      {
        trust_domain: null,
        code,
        message: `${what} cannot be written to ${path}, and its last content stays: ${message}`,
        since: since.toISOString(),
      },
    ];
  }

  async #update(): Promise<void> {
    const { path, what, content, clock, log } = this.#options;
    try {
      const text = content();
      if (text === undefined) return;
      this.#written ??= await readRegularText(path).catch(() => undefined);
      if (text !== this.#written) {
        await writeDurably(path, text);
        this.#written = text;
        log.info('a file for other processes was written', { what, file: path });
      }
      this.#problem = undefined;
    } catch (error) {
      if (!this.#problem)
        log.error('a file for other processes was not written', { what, file: path, error });
      this.#problem = { message: messageOf(error), since: this.#problem?.since ?? clock.now() };
    }
  }
}
