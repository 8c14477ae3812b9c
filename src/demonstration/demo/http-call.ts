import { callHttp } from '../../platform/index.ts';

/** An answer to a plain HTTP call on loopback. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: unknown;
}

/**
 * Sends one GET over its own connection, bounded in time and size. Rejects when no valid answer
 * arrives.
 */
export async function httpGet(url: string, timeoutMs = 5000): Promise<HttpAnswer> {
  const request = { to: new URL(url), connection: { agent: false } };
  const { status, body } = await callHttp(request, { maxBytes: 1024 * 1024, timeoutMs });
  try {
    return { status, body: JSON.parse(body.toString('utf8')) };
  } catch (cause) {
    throw new Error(`the answer of ${url} is not JSON`, { cause });
  }
}

/**
 * Whether the process behind this Unix socket reports that it is ready. Rejects where none answers.
 */
export async function readiness(socketPath: string, timeoutMs = 5000): Promise<boolean> {
  const to = { socketPath, path: '/readyz' };
  return (await callHttp({ to }, { maxBytes: 1024 * 1024, timeoutMs })).status === 200;
}
