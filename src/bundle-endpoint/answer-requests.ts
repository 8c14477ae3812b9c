import type { IncomingMessage, ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import { getRequestListener } from '@hono/node-server';
import type { Clock, Log, Metrics } from '../platform/index.ts';
import { type EndpointExtension, extensionRequestOf, serveExtension } from './extension.ts';
import type { PublishedBundle } from './published-bundle.ts';
import { RequestLog } from './request-log.ts';
import { type BundleClient, createBundleRoutes } from './routes.ts';
import type { SeenClients } from './seen-clients.ts';
import type { WaitingClients } from './waiting-clients.ts';

/** What the answers are made of. */
export interface AnswerParts {
  /** A path that serves the bundle in addition to `/`. */
  readonly path: string;
  readonly published: () => PublishedBundle | undefined;
  readonly extension: () => EndpointExtension | undefined;
  readonly waiting: WaitingClients;
  readonly clients: SeenClients;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Creates the function that answers every request: with an extension, or by the bundle's routes. */
export function createAnswerer(
  parts: AnswerParts,
): (request: IncomingMessage, response: ServerResponse) => void {
  const { waiting, clients } = parts;
  const record = createRecorder(parts);
  const routes = createBundleRoutes(parts.path, parts.published, waiting);
  const listener = getRequestListener(
    async (request, { incoming: { socket }, outgoing }) => {
      const client: BundleClient = {
        connection: socket,
        address: socket.remoteAddress ?? 'unknown',
        prove: () => clients.prove(outgoing),
      };
      const response = await routes.fetch(request, { client });
      const tag = response.status === 200 ? response.headers.get('etag') : null;
      if (tag !== null) clients.given(outgoing, tag);
      return response;
    },
    // HTTP/1.0 has no Host, and load balancers use it for health checks. No route looks at Host.
    { hostname: 'localhost' },
  );
  return (request, response) => {
    record(request, response);
    waiting.release(request.socket);
    const answer = () => {
      clients.see(request, response);
      // No body is expected: it is not read, and the connection ends with the answer.
      if (announcesBody(request)) response.shouldKeepAlive = false;
      void listener(request, response);
    };
    if (!isExtended(parts, request, response, answer)) answer();
  };
}

/** Whether the extension accepts a request, and answers it. */
function isExtended(
  { path: bundlePath, extension, log }: AnswerParts,
  request: IncomingMessage,
  response: ServerResponse,
  unknownPath: () => void,
): boolean {
  const path = request.url?.split('?')[0];
  if (path === '/' || path === bundlePath) return false;
  const asked = extensionRequestOf(request);
  const plan = asked && extension()?.accept(asked);
  if (!plan) return false;
  void serveExtension(plan, request, response, unknownPath, (error) =>
    log.error('an extension of the endpoint failed', { path, error }),
  );
  return true;
}

/** Creates the function that counts and logs a request when its answer is out. */
function createRecorder({ clock, log, metrics }: AnswerParts) {
  const requests = metrics.counter('federate_endpoint_requests_total', 'Requests by status', ['status']);
  const requestLog = new RequestLog(clock, log);
  return (request: IncomingMessage, response: ServerResponse): void => {
    const startMs = clock.monotonicMs();
    const { socket } = request;
    response.once('close', () => {
      requests.inc({ status: response.statusCode });
      requestLog.answered({
        method: request.method,
        path: request.url,
        status: response.statusCode,
        bytes: response.getHeader('content-length'),
        remote: socket.remoteAddress,
        tls: socket instanceof TLSSocket ? socket.getProtocol() : undefined,
        ms: Math.round(clock.monotonicMs() - startMs),
      });
    });
  };
}

function announcesBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length'];
  return headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}
