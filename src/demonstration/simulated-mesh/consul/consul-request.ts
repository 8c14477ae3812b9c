import { createHash, timingSafeEqual } from 'node:crypto';
import type { Context } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { isMapping } from '../../../objects/index.ts';
import type { Clock, Random } from '../../../platform/index.ts';
import { readBoundedBody } from '../bounded-body.ts';
import { parseBlockingRequest, waitForChange } from './blocking-query.ts';
import type { ConsulState, Table } from './consul-state.ts';

const MAX_BODY_BYTES = 512 * 1024;

/** What a handler needs besides the state. */
export interface ConsulRequest {
  /** The token that may do everything; undefined where ACLs are off. */
  readonly aclToken: string | undefined;
  /** Resolves once all changes so far are on disk. */
  readonly written: () => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  /** Ends blocking queries. */
  readonly signal: AbortSignal;
}

/**
 * Throws the 403 of the product unless the request's token has the permission; ours has all of
 * them.
 */
export function requireToken(context: Context, request: ConsulRequest, permission: string): void {
  if (request.aclToken === undefined) return;
  const bearer = /^Bearer (\S+)$/i.exec(context.req.header('authorization') ?? '')?.[1];
  const token = context.req.header('x-consul-token') ?? bearer ?? '';
  const digest = (text: string) => createHash('sha256').update(text).digest();
  if (timingSafeEqual(digest(token), digest(request.aclToken))) return;
  const who = token === '' ? 'anonymous token' : 'token';
  const message =
    token === '' ? `Permission denied: ${who} lacks permission '${permission}'` : 'ACL not found';
  throw new HTTPException(403, { message });
}

/** The body as a JSON object. Throws 400 for anything else and 413 for more than 512 KiB. */
export async function jsonObject(context: Context): Promise<Readonly<Record<string, unknown>>> {
  const text = await readBoundedBody(context, MAX_BODY_BYTES);
  if (text === undefined) throw new HTTPException(413, { message: 'Request body too large' });
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (cause) {
    throw new HTTPException(400, { message: 'Request decode failed: the body is not JSON', cause });
  }
  if (isMapping(body)) return body;
  throw new HTTPException(400, { message: 'Request decode failed: the body is not an object' });
}

/**
 * Answers from a table, after the wait that `index` requests, and names the table's index in the
 * headers. The result of `read` is sent as JSON, or unchanged where it is already a response.
 */
export async function answerTable(
  context: Context,
  request: ConsulRequest,
  state: ConsulState,
  table: Table,
  read: () => object | Response,
): Promise<Response> {
  const blocking = parseBlockingRequest({
    index: context.req.query('index'),
    wait: context.req.query('wait'),
  });
  if (typeof blocking === 'string') return context.text(blocking, 400);
  if (blocking) {
    const signal = AbortSignal.any([request.signal, context.req.raw.signal]);
    await waitForChange({ ...request, state, table, request: blocking, signal });
  }
  context.header('X-Consul-Index', String(state.indexOf(table)));
  context.header('X-Consul-KnownLeader', 'true');
  context.header('X-Consul-LastContact', '0');
  context.header('X-Consul-Default-Acl-Policy', request.aclToken === undefined ? 'allow' : 'deny');
  const answer = read();
  return answer instanceof Response ? answer : context.json(answer);
}
