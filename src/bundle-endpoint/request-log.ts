import { type Clock, type Log, type LogFields, printable, TokenBucket } from '../platform/index.ts';

/** The rate of lines for requests: a burst, then one every 20 ms. */
const LINES = { most: 500, everyMs: 20 };
const MAX_PATH_CHARACTERS = 200;
const MAX_METHOD_CHARACTERS = 20;

/** A request that was answered. */
export interface AnsweredRequest extends LogFields {
  readonly method: string | undefined;
  readonly path: string | undefined;
}

/**
 * Logs requests, one line each. What the client chose is bounded and printable. Because any client
 * can send requests, lines are limited too; the next line says how many were left out. The metric
 * counts every request.
 */
export class RequestLog {
  readonly #log: Log;
  readonly #lines: TokenBucket;
  #leftOut = 0;

  constructor(clock: Clock, log: Log) {
    this.#log = log;
    this.#lines = new TokenBucket(clock, LINES);
  }

  answered({ method = '', path = '', ...rest }: AnsweredRequest): void {
    if (!this.#lines.take()) {
      this.#leftOut += 1;
      return;
    }
    const leftOut = this.#leftOut > 0 ? { lines_left_out: this.#leftOut } : {};
    this.#leftOut = 0;
    this.#log.info('request', {
      method: printable(method, MAX_METHOD_CHARACTERS),
      path: printable(path, MAX_PATH_CHARACTERS),
      ...rest,
      ...leftOut,
    });
  }
}
