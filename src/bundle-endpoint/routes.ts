import { Hono } from 'hono';
import { preferredWaitSeconds } from './prefer.ts';
import { matchesTag, type PublishedBundle } from './published-bundle.ts';
import type { WaitingClient, WaitingClients } from './waiting-clients.ts';

const WAITED_ENOUGH = Promise.resolve();

/** The client of a request. */
export interface BundleClient extends Pick<WaitingClient, 'connection' | 'address'> {
  /** The peer that the client proves to be. */
  prove(): Promise<string | undefined>;
}

interface Env {
  readonly Bindings: { readonly client: BundleClient };
}

/**
 * The endpoint's HTTP. GET and HEAD of `/` and of `path` answer with the newest bundle (FED-12,
 * FED-13), and with 304 for an exact `If-None-Match` (FED-24). The answer is 503 before there is a
 * bundle, 404 for other paths, 405 for other methods (FED-23). No client authentication (FED-14). A
 * GET with a current tag and `Prefer: wait=N` is held until the bundle changes or the time is up
 * (RFC 7240 §4.3), as long as there is room. `Preference-Applied` says that it was held, or would
 * be. There is no HSTS header, on which the standard is silent (FED-15): it addresses browsers, and
 * an endpoint URL is never `http:` (FED-08).
 */
export function createBundleRoutes(
  path: string,
  current: () => PublishedBundle | undefined,
  waiting: WaitingClients,
): Hono<Env> {
  const app = new Hono<Env>();
  const serve = (ifNoneMatch: string | undefined, more: Readonly<Record<string, string>>): Response => {
    const bundle = current();
    if (!bundle)
      return problem(503, 'bundle-not-ready', 'the mesh has not reported its roots yet', {
        'retry-after': '5',
      });
    const headers = { etag: bundle.etag, 'cache-control': 'no-cache', ...more };
    if (matchesTag(ifNoneMatch, bundle.etag)) return new Response(null, { status: 304, headers });
    return new Response(bundle.body, {
      headers: {
        ...headers,
        'content-type': 'application/json',
        'content-length': bundle.body.length.toString(),
        'x-content-type-options': 'nosniff',
      },
    });
  };
  for (const route of new Set(['/', path])) {
    // Hono answers HEAD from GET, without the body.
    app.get(route, async ({ req, env }) => {
      const tag = req.header('if-none-match');
      const seconds = preferredWaitSeconds(req.header('prefer'));
      if (seconds === undefined) return serve(tag, {});
      const isCurrent = () => {
        const bundle = current();
        return req.method === 'GET' && seconds > 0 && bundle !== undefined && matchesTag(tag, bundle.etag);
      };
      let wait: Promise<void> | undefined = WAITED_ENOUGH;
      if (isCurrent()) {
        const { connection, address } = env.client;
        const peer = await env.client.prove();
        // The bundle may have changed while the proof was checked.
        if (isCurrent()) wait = waiting.wait(seconds, req.raw.signal, { connection, address, peer });
      }
      await wait;
      return serve(tag, { vary: 'prefer', ...(wait ? { 'preference-applied': `wait=${seconds}` } : {}) });
    });
    app.all(route, () =>
      problem(405, 'method-not-allowed', 'a bundle is fetched with GET', { allow: 'GET, HEAD' }),
    );
  }
  app.notFound(() => problem(404, 'not-found', 'there is no bundle at this path'));
  return app;
}

/** Answers why a request got no bundle; never bundle-shaped (FED-23). RFC 9457, with our code. */
function problem(
  status: number,
  code: string,
  detail: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(JSON.stringify({ type: 'about:blank', status, code, detail }), {
    status,
    headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store', ...headers },
  });
}
