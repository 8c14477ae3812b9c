import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { CodedError, messageOf } from '../../errors/index.ts';
import { isMapping } from '../../objects/index.ts';
import {
  addressOf,
  callHttp,
  closeAtOnce,
  type ListenAddress,
  listenOn,
  silentLog,
} from '../../platform/index.ts';

/** A workload that listens. */
export interface WeatherService {
  readonly url: string;
  stop(): Promise<void>;
}

export type WeatherErrorCode = 'port-in-use' | 'listen-failed' | 'upstream-unreachable' | 'upstream-broken';

/** A workload could not listen, or the service it calls did not answer sensibly. */
class WeatherError extends CodedError<WeatherErrorCode> {}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** How long a call to another workload may take. */
export const CALL_TIMEOUT_MS = 3000;
const MAX_ANSWER_BYTES = 256 * 1024;

/**
 * Serves `routes` (exact paths, GET only) over plain HTTP. Throws `WeatherError` `port-in-use`,
 * `listen-failed`.
 */
export async function serve(
  listen: ListenAddress,
  routes: Readonly<Record<string, Handler>>,
): Promise<WeatherService> {
  const server = createServer({ headersTimeout: 5000, requestTimeout: 10_000 }, (incoming, response) => {
    void answer(routes, incoming, response);
  });
  await listenOn({
    server: server,
    address: listen,
    purpose: 'the weather application',
    refusal: (code, message, options) => new WeatherError(code, message, options),
    // A demonstration without free file descriptors does not answer until some are free; no action
    // is needed.
    log: silentLog,
  });
  return {
    url: `http://${listen.host}:${addressOf(server, 'the weather application').port}`,
    stop: () => closeAtOnce(server),
  };
}

async function answer(
  routes: Readonly<Record<string, Handler>>,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [path = '/'] = (incoming.url ?? '/').split('?');
  const handler = Object.hasOwn(routes, path) ? routes[path] : undefined;
  try {
    if (!handler)
      sendJson(response, 404, { code: 'not-found', message: `there is nothing at ${path.slice(0, 100)}` });
    else if (incoming.method !== 'GET')
      sendJson(response.setHeader('allow', 'GET'), 405, { code: 'method-not-allowed', message: 'only GET' });
    else await handler(incoming, response);
  } catch (error) {
    const code = error instanceof CodedError ? error.code : 'internal';
    if (!response.headersSent)
      sendJson(response, 502, { code, message: error instanceof Error ? error.message : 'it failed' });
    else response.destroy();
  }
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response
    .writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    .end(JSON.stringify(body));
}

/** Another workload's answer: its status and its JSON. */
export interface CallAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/**
 * One GET, bounded in time and size. Throws `WeatherError` `upstream-unreachable`,
 * `upstream-broken`.
 */
export async function call(url: string, timeoutMs = CALL_TIMEOUT_MS): Promise<CallAnswer> {
  const limits = { maxBytes: MAX_ANSWER_BYTES, timeoutMs };
  const answer = await callHttp({ to: new URL(url) }, limits).catch((cause: unknown) => {
    throw new WeatherError('upstream-unreachable', `calling ${url} failed: ${messageOf(cause)}`, { cause });
  });
  const body = parseObject(answer.body.toString('utf8'));
  if (body) return { status: answer.status, body };
  throw new WeatherError('upstream-broken', `${url} answered with something that is not a JSON object`);
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isMapping(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
