import type { IncomingMessage, ServerResponse } from 'node:http';

/** Gives the reason in one sentence why a process cannot do its work now; undefined when it can. */
export type NotReady = () => string | undefined;

/**
 * Answers `/livez` and `/readyz` as plain text and returns true. Returns false for every other
 * path: the caller answers that.
 *
 * - `/livez` is 200 as long as the process answers at all. A supervisor restarts a process that
 *   does not answer it.
 * - `/readyz` is 200 when the process can do its work, and 503 with the reason when it cannot. A
 *   restart does not help then, because the reason is usually outside of the process.
 *
 * Both answers read memory only, so that a probe costs next to nothing.
 */
export function answerHealth(
  request: IncomingMessage,
  response: ServerResponse,
  notReady: NotReady,
): boolean {
  const path = request.url?.split('?', 1)[0];
  if (path !== '/livez' && path !== '/readyz') return false;
  const answer = (status: number, text: string, headers = {}) => {
    response
      .writeHead(status, {
        'content-type': 'text/plain; charset=utf-8',
        'content-length': Buffer.byteLength(text),
        'cache-control': 'no-store',
        ...headers,
      })
      .end(request.method === 'HEAD' ? undefined : text);
    return true;
  };
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return answer(405, 'use GET\n', { allow: 'GET, HEAD' });
  if (path === '/livez') return answer(200, 'alive\n');
  const reason = notReady();
  return reason === undefined ? answer(200, 'ready\n') : answer(503, `not ready: ${reason}\n`);
}
