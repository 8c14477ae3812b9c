import type { ClientRequest, IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream';
import { messageOf } from '../../../errors/index.ts';
import type { Clock } from '../../../platform/index.ts';
import { SidecarError } from '../errors.ts';
import type { Exchange } from './exchange.ts';
import { forwardedHeaders } from './forwarded-headers.ts';
import { IdleTimer } from './idle-timer.ts';

/**
 * Kept connections that turn out to be dead, one after the other, before the last one's end is the
 * answer.
 */
const MAX_DEAD_CONNECTIONS = 10;

/** One try to get an answer for an exchange. */
export interface Attempt {
  readonly exchange: Exchange;
  /** Begins the request to the other side. */
  readonly open: () => ClientRequest;
  /** The whole body where it was read already; else it is streamed. */
  readonly body: Buffer | undefined;
  readonly clock: Clock;
  /** The longest silence of both sides. */
  readonly idleMs: number;
  /** The longest wait for a TCP connection; left out: the opener has its own limit. */
  readonly connectMs?: number;
  /** Ends the attempt; its reason is a `SidecarError`. */
  readonly signal: AbortSignal;
  /** Called once there is a connection; the first byte follows. */
  readonly onConnected?: () => void;
  /** Whether an answer with this status is not passed on, because another attempt follows. */
  readonly holdBack?: (status: number) => boolean;
}

/** The result of an attempt. */
export type Outcome =
  /** An answer went to the caller, whole or up to where it broke off. */
  | {
      readonly kind: 'passed';
      readonly status: number;
      /** Whether the other side ended its answer too early. */
      readonly brokeOff: boolean;
    }
  /** The answer was not passed on. */
  | { readonly kind: 'held-back'; readonly status: number }
  /** The caller went away before there was an answer. */
  | { readonly kind: 'caller-gone' }
  /** No answer; no byte went to the caller. */
  | {
      readonly kind: 'failed';
      readonly error: Error;
      readonly outgoing: ClientRequest | undefined;
      /** Whether the other side may have seen a part of the request. */
      readonly wasSent: boolean;
    };

/**
 * Forwards a request and its answer, bodies with back-pressure; a break on either side ends the
 * other. Sends a safe request without a body again when a kept connection turns out to be dead.
 */
export async function forward(attempt: Attempt): Promise<Outcome> {
  const { exchange, signal } = attempt;
  for (let dead = 1; ; dead += 1) {
    const outcome = await sendOnce(attempt);
    // The server may have closed it while it was idle; a new connection may still work.
    const diedIdle =
      outcome.kind === 'failed' &&
      !(outcome.error instanceof SidecarError) &&
      outcome.outgoing?.reusedSocket === true;
    if (!diedIdle || dead >= MAX_DEAD_CONNECTIONS || signal.aborted || !isSafeWithoutBody(exchange.incoming))
      return outcome;
  }
}

function sendOnce(attempt: Attempt): Promise<Outcome> {
  const { exchange, clock, idleMs, signal } = attempt;
  const { incoming, response } = exchange;
  let outgoing: ClientRequest;
  try {
    signal.throwIfAborted();
    outgoing = attempt.open();
  } catch (error) {
    return Promise.resolve({
      kind: 'failed',
      // A method, a path or a header that our server took and our client does not send.
      error: error instanceof SidecarError ? error : cannotPass(error),
      outgoing: undefined,
      wasSent: false,
    });
  }
  return new Promise((resolve) => {
    let state: 'connecting' | 'waiting' | 'passing' | 'over' = 'connecting';
    let status = 0;
    let answer: IncomingMessage | undefined;
    /** Ends it now. A request that waits for a connection reports its end only once it has one. */
    const endWith = (error: Error) => {
      if (state === 'passing') {
        if (error instanceof SidecarError) exchange.code = error.code;
        response.destroy();
      } else {
        incoming.unpipe(outgoing);
        fail(error);
      }
      outgoing.destroy(error);
    };
    const silence = new IdleTimer(clock, idleMs, () =>
      endWith(new SidecarError('peer-silent', `there was no answer within ${idleMs / 1000} seconds`)),
    );
    const connecting =
      attempt.connectMs === undefined
        ? undefined
        : new IdleTimer(clock, attempt.connectMs, () =>
            endWith(
              new SidecarError('connect-timeout', `there was no connection within ${attempt.connectMs} ms`),
            ),
          );
    const onAbort = () => {
      const reason: unknown = signal.reason;
      endWith(reason instanceof SidecarError ? reason : new SidecarError('peer-broke', messageOf(reason)));
    };
    const onBrokenRequest = () => outgoing.destroy();
    const unfollow = exchange.onClose(() => {
      // Of an answer that is still whole the caller has had enough.
      const brokeOff = answer?.destroyed === true && !answer.complete;
      outgoing.destroy();
      settle(state === 'passing' ? { kind: 'passed', status, brokeOff } : { kind: 'caller-gone' });
    });
    const settle = (outcome: Outcome) => {
      if (state === 'over') return;
      state = 'over';
      silence.stop();
      connecting?.stop();
      signal.removeEventListener('abort', onAbort);
      incoming.off('error', onBrokenRequest);
      // An answer may end before its request: what is left of that ends with the exchange.
      if (outcome.kind !== 'passed') unfollow();
      resolve(outcome);
    };
    const fail = (error: Error) =>
      settle({ kind: 'failed', error, outgoing, wasSent: state !== 'connecting' });
    const refuse = (why: string) => {
      fail(new SidecarError('answer-malformed', `the answer cannot be passed on: ${why}`));
      outgoing.destroy();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    whenConnected(outgoing, () => {
      if (state !== 'connecting') return;
      connecting?.stop();
      silence.touch();
      state = 'waiting';
      attempt.onConnected?.();
      if (attempt.body) {
        outgoing.end(attempt.body);
        return;
      }
      incoming.on('data', (part: Buffer) => {
        silence.touch();
        exchange.requestBytes += part.length;
      });
      incoming.pipe(outgoing);
    });
    outgoing.on('response', (arrived) => {
      answer = arrived;
      if (state === 'over') return;
      status = answer.statusCode ?? 0;
      if (attempt.holdBack?.(status) === true) {
        settle({ kind: 'held-back', status });
        outgoing.destroy();
        return;
      }
      const odd = passHead(answer, exchange);
      if (odd !== undefined) {
        refuse(odd);
        return;
      }
      state = 'passing';
      answer.on('data', (part: Buffer) => {
        silence.touch();
        exchange.answerBytes += part.length;
      });
      pipeline(answer, response, () => settle({ kind: 'passed', status, brokeOff: !arrived.complete }));
    });
    // Without a listener Node closes the connection without an answer.
    outgoing.on('upgrade', (_answer, socket) => {
      socket.destroy();
      refuse('it switches the protocol without a request for that');
    });
    outgoing.on('error', endWith);
    incoming.once('error', onBrokenRequest);
  });
}

/** Calls back when the request has a connection that is ready for its first byte. */
function whenConnected(outgoing: ClientRequest, ready: () => void): void {
  outgoing.once('socket', (socket) => {
    if (socket.connecting) socket.once('connect', ready);
    else ready();
  });
}

/** Passes on status and headers of an answer; why not, where they are none that HTTP has. */
function passHead(answer: IncomingMessage, { response }: Exchange): string | undefined {
  const { statusCode = 0, headers } = answer;
  if (statusCode < 200 || statusCode > 599) return `its status is ${statusCode}`;
  try {
    response.writeHead(statusCode, forwardedHeaders(headers));
    return undefined;
  } catch (error) {
    for (const name of response.getHeaderNames()) response.removeHeader(name);
    return messageOf(error);
  }
}

function cannotPass(error: unknown): SidecarError {
  return new SidecarError('request-malformed', `the request cannot be passed on: ${messageOf(error)}`);
}

function isSafeWithoutBody({ method, headers }: IncomingMessage): boolean {
  return isBodiless(headers) && (method === 'GET' || method === 'HEAD' || method === 'OPTIONS');
}

/** Whether a request has no body, so that it can be sent again. */
export function isBodiless(headers: IncomingMessage['headers']): boolean {
  return headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0';
}
