import type { RequestListener } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import type { Log } from '../../platform/index.ts';

/** A hono application as the listener of a `node:http` or `node:https` server. */
export function requestListener(app: Pick<Hono, 'fetch'>, log: Log): RequestListener {
  const answer = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  return (incoming, outgoing) => {
    answer(incoming, outgoing).catch((error: unknown) => {
      log.error('request not answered', { path: incoming.url, error });
      outgoing.destroy();
    });
  };
}
