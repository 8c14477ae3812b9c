import type { Context, MiddlewareHandler } from 'hono';
import type { Log } from '../platform/index.ts';
import { actorOf } from './actor.ts';

/** The paths that only ask and change nothing, although their request has a body. */
const QUESTIONS: ReadonlySet<string> = new Set(['/v1/verify', '/v1/verify-jwt']);
const MAX_PATH_CHARACTERS = 300;

/**
 * Logs each request of an operator that is to change something, with its result. Secrets of the
 * body stay out.
 */
export function logOperatorActions(log: Log): MiddlewareHandler {
  return async (context, next) => {
    await next();
    const { method, path } = context.req;
    if (method === 'GET' || method === 'HEAD' || QUESTIONS.has(path)) return;
    const { status } = context.res;
    const fields = {
      action: `${method} ${path.slice(0, MAX_PATH_CHARACTERS)}`,
      actor: actorOf(context),
      trust_domain: await trustDomainOf(context),
      status,
      code: status < 400 ? null : await codeOf(context.res),
    };
    if (status < 400) log.info('operator action', fields);
    else log.warn('operator action', fields);
  };
}

/** Whom it is about, by the path or by the body, where it is about one trust domain. */
async function trustDomainOf(context: Context): Promise<string | null> {
  try {
    const named = /^\/v1\/(?:relationships|bundles|offers|waiting-lists)\/([^/]+)/.exec(
      context.req.path,
    )?.[1];
    if (named !== undefined) return decodeURIComponent(named).slice(0, MAX_PATH_CHARACTERS);
    const body: unknown = await context.req.json();
    const isNamed = typeof body === 'object' && body !== null && 'trust_domain' in body;
    return isNamed && typeof body.trust_domain === 'string'
      ? body.trust_domain.slice(0, MAX_PATH_CHARACTERS)
      : null;
  } catch {
    // No JSON, or no name in it: the answer says what was wrong.
    return null;
  }
}

async function codeOf(response: Response): Promise<string | null> {
  try {
    const answer: unknown = await response.clone().json();
    const isCoded = typeof answer === 'object' && answer !== null && 'code' in answer;
    return isCoded ? String(answer.code) : null;
  } catch {
    return null;
  }
}
