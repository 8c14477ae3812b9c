import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { z } from 'zod';
import type { Log } from '../platform/index.ts';
import { CodedError, sentenceOf } from '../errors/index.ts';
import { actorOf, noteCaller, type ReadCaller } from './actor.ts';
import type { ProblemDocument } from './api/fields.ts';
import { BAD_REQUEST_CODES, NOT_FOUND_CODES, type Route } from './api/route.ts';
import { type AdminHandlers, routes } from './api/routes.ts';
import { AdminError } from './errors.ts';
import { openApiDocument } from './openapi-document.ts';
import { logOperatorActions } from './operator-actions.ts';

/** What the server serves. */
export interface AdminApi {
  readonly handlers: AdminHandlers;
  readonly log: Log;
  readonly renderMetrics: () => Promise<string>;
}

const MAX_BODY_BYTES = 2 * 1024 * 1024;

/**
 * The admin API. Errors answer with `{ code, message }`: 404 for what is not there, 409 for what is
 * refused, 400 for a bad request.
 */
export function createAdminRoutes({ handlers, log, renderMetrics }: AdminApi, readCaller: ReadCaller): Hono {
  const app = new Hono();
  app.use(noteCaller(readCaller));
  app.use(logOperatorActions(log));
  app.use(
    bodyLimit({
      maxSize: MAX_BODY_BYTES,
      onError: (context) =>
        problem(context, 413, 'request-too-large', `a request has at most ${MAX_BODY_BYTES} bytes`),
    }),
  );
  app.get('/metrics', async (context) => context.text(await renderMetrics()));
  const all = { ...handlers, 'GET /v1/openapi.json': openApiDocument };
  for (const name of Object.keys(all).filter(isRouteName)) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the request is checked by the schemas of this very route
    serve(app, name, routes[name], all[name] as Handler);
  }
  app.notFound((context) =>
    problem(context, 404, 'not-found', `the admin API has no ${context.req.method} ${context.req.path}`),
  );
  app.onError((error, context) => {
    if (error instanceof CodedError)
      return problem(context, statusOf(error.code), error.code, sentenceOf(error));
    log.error('admin request failed', { path: context.req.path, error });
    return problem(
      context,
      500,
      'internal',
      'the agent failed in a way it did not expect; its log has the details',
    );
  });
  return app;
}

type Handler = (request: {
  readonly params: Readonly<Record<string, string>>;
  readonly query: unknown;
  readonly body: unknown;
  readonly actor: string;
}) => object | Promise<object>;

function isRouteName(name: string): name is keyof typeof routes {
  return name in routes;
}

/** Answers one route of the contract: checks the query and the body, and hands them to its code. */
function serve(app: Hono, name: string, route: Route, handler: Handler): void {
  const [method = '', path = ''] = name.split(' ');
  app.on(method, path.replaceAll(/\{(\w+)\}/g, ':$1'), async (context) => {
    const answer = await handler({
      params: context.req.param(),
      query: route.query && checked(route.query, context.req.query()),
      body: route.body && (await readBody(context, route.body)),
      actor: actorOf(context),
    });
    return context.json(answer, route.status ?? 200);
  });
}

/** The body of a request, as `schema` has it. Throws `AdminError` `request-invalid`. */
async function readBody(context: Context, schema: z.ZodType): Promise<unknown> {
  let body: unknown;
  try {
    body = await context.req.json();
  } catch (cause) {
    throw new AdminError('request-invalid', 'the request body is not JSON', { cause });
  }
  return checked(schema, body);
}

/** The value as `schema` has it. Throws `AdminError` `request-invalid`. */
function checked(schema: z.ZodType, value: unknown): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new AdminError('request-invalid', `the request is not understood: ${z.prettifyError(result.error)}`);
}

function statusOf(code: string): 400 | 404 | 409 {
  if (NOT_FOUND_CODES.has(code)) return 404;
  return BAD_REQUEST_CODES.has(code) ? 400 : 409;
}

function problem(context: Context, status: 400 | 404 | 409 | 413 | 500, code: string, message: string) {
  const body: ProblemDocument = { code, message };
  return context.json(body, status);
}
