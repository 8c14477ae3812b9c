import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Clock, type Log, type Metrics, printable, type Random } from '../../../platform/index.ts';
import { Exchange } from './exchange.ts';
import { continueTrace } from './trace-context.ts';

/** What a sidecar records of the requests through it. */
export interface RecordOptions {
  /** Writes one line for each request to the log. */
  readonly accessLog: boolean;
  /** Continues the trace of each request, or starts one. */
  readonly traceContext: boolean;
}

const LONGEST_PATH = 512;

/** Begins each exchange, and at its end counts it and writes its line of the access log. */
export class ExchangeRecords {
  readonly #options: RecordOptions;
  readonly #parts: { readonly clock: Clock; readonly random: Random; readonly log: Log };
  readonly #requests: ReturnType<Metrics['counter']>;

  constructor(
    options: RecordOptions,
    parts: {
      readonly clock: Clock;
      readonly random: Random;
      readonly log: Log;
      readonly metrics: Metrics;
    },
  ) {
    this.#options = options;
    this.#parts = parts;
    this.#requests = parts.metrics.counter(
      'federate_sidecar_requests_total',
      'requests by direction, and class of the answer or why there was none',
      ['direction', 'outcome'],
    );
  }

  begin(direction: 'inbound' | 'outbound', incoming: IncomingMessage, response: ServerResponse): Exchange {
    const { clock, random } = this.#parts;
    const exchange = new Exchange(incoming, response, {
      trace: this.#options.traceContext ? continueTrace(incoming.headers, random) : undefined,
      startedMs: clock.monotonicMs(),
    });
    exchange.onClose(() => this.#end(direction, exchange));
    return exchange;
  }

  #end(direction: 'inbound' | 'outbound', exchange: Exchange): void {
    const { response, code } = exchange;
    // The caller went away, or the answer broke off.
    const isWhole = response.writableFinished;
    const status = response.headersSent ? response.statusCode : undefined;
    const broken = code ?? 'broken-off';
    this.#requests.inc({
      direction,
      outcome: isWhole ? (code ?? `${Math.floor((status ?? 0) / 100)}xx`) : broken,
    });
    if (!this.#options.accessLog) return;
    const { clock, log } = this.#parts;
    const { incoming, trace } = exchange;
    log.info('request', {
      direction,
      method: incoming.method,
      path: pathOf(incoming.url),
      status,
      code: isWhole ? code : broken,
      peer: exchange.peer,
      upstream: exchange.upstream,
      attempts: exchange.attempts,
      requestBytes: exchange.requestBytes,
      answerBytes: exchange.answerBytes,
      durationMs: Math.round(clock.monotonicMs() - exchange.startedMs),
      remote: incoming.socket.remoteAddress,
      ...(trace && { traceId: trace.traceId, spanId: trace.spanId, parentSpanId: trace.parentId }),
    });
  }
}

/**
 * The path of a request target, for the log. Without the query, and without the authority of an
 * absolute target, because both may hold secrets.
 */
export function pathOf(target: string | undefined): string {
  const [beforeQuery = ''] = (target ?? '').split(/[?#]/, 1);
  const path = beforeQuery.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/]*/i, '');
  return path.startsWith('/') ? printable(path, LONGEST_PATH) : '-';
}
