import { createServer, type Server } from 'node:http';
import { Hono } from 'hono';
import { answerHealth, closeAtOnce, listenOnUnixSocket, type Log } from '../../platform/index.ts';
import { CodedError } from '../../spiffe/index.ts';
import { readBoundedBody } from './bounded-body.ts';
import {
  type ControlStatus,
  type ForgedIdentity,
  ROTATION_STEPS,
  type RotationStep,
} from './control-status.ts';
import { requestListener } from './request-listener.ts';

/** The operations of the control socket. */
interface Operator {
  status(): ControlStatus;
  rotate(step: RotationStep): Promise<ControlStatus>;
  forge(id: string): Promise<ForgedIdentity>;
}

const MAX_BODY_BYTES = 16_384;

/**
 * Serves HTTP with JSON on a Unix socket of mode 0600, with `/livez` and `/readyz`. A process that
 * may open the socket commands the simulated mesh.
 */
export class ControlServer {
  readonly #path: string;
  readonly #server: Server;

  constructor(options: { readonly path: string; readonly operator: Operator; readonly log: Log }) {
    this.#path = options.path;
    const listener = requestListener(controlApp(options), options.log);
    this.#server = createServer((request, response) => {
      // The socket opens last, so a control plane that answers is ready.
      if (!answerHealth(request, response, () => undefined)) listener(request, response);
    });
  }

  /** Throws `EADDRINUSE` where another process answers on the socket. */
  start(): Promise<void> {
    return listenOnUnixSocket(this.#server, this.#path);
  }

  stop(): Promise<void> {
    return closeAtOnce(this.#server);
  }
}

function controlApp({ operator, log }: { readonly operator: Operator; readonly log: Log }): Hono {
  const app = new Hono();
  app.get('/status', (context) => context.json(operator.status()));
  app.post('/rotate/:step', async (context) => {
    const step = ROTATION_STEPS.find((each) => each === context.req.param('step'));
    if (!step) return context.json({ code: 'not-found', message: 'no such step' }, 404);
    return context.json(await operator.rotate(step));
  });
  app.post('/forge', async (context) => {
    const body = parseJson(await readBoundedBody(context, MAX_BODY_BYTES));
    if (typeof body !== 'object' || body === null || !('id' in body) || typeof body.id !== 'string') {
      return context.json({ code: 'body-malformed', message: 'the body is {"id": "spiffe://…"}' }, 400);
    }
    return context.json(await operator.forge(body.id));
  });
  app.notFound((context) => context.json({ code: 'not-found', message: 'no such path' }, 404));
  app.onError((error, context) => {
    if (error instanceof CodedError) return context.json({ code: error.code, message: error.message }, 409);
    log.error('control request failed', { path: context.req.path, error });
    return context.json({ code: 'internal', message: 'the request failed; the log has the reason' }, 500);
  });
  return app;
}

function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}
