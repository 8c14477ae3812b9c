import { callHttp, type Clock, type HttpAnswer, HttpError, type HttpRequest } from '../../platform/index.ts';
import { MeshAdapterError, type MeshAdapterErrorCode } from './errors.ts';

/** A request to the API of a mesh. */
export interface MeshRequest extends HttpRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly to: URL;
  readonly signal: AbortSignal;
}

/**
 * Sends one whole request and reads the whole answer, bounded in bytes and time. Throws
 * `MeshAdapterError`: `mesh-unreachable`, also for an incomplete answer; `mesh-answer-malformed`
 * for an answer beyond `maxBytes`.
 */
export async function fetchHttp(
  request: MeshRequest,
  limits: { readonly maxBytes: number; readonly timeoutMs: number; readonly clock: Clock },
): Promise<HttpAnswer> {
  try {
    return await callHttp(request, limits);
  } catch (error) {
    const { method, to, signal } = request;
    throw failureOf(`${method} ${to.pathname} at ${to.host}`, error, signal);
  }
}

/** The error of a request that failed: the signal's reason where that has aborted. */
export function failureOf(what: string, cause: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (cause instanceof MeshAdapterError) return cause;
  if (cause instanceof HttpError && cause.code === 'answer-too-large')
    return new MeshAdapterError('mesh-answer-malformed', `${what} cannot be used`, { cause });
  return new MeshAdapterError('mesh-unreachable', `${what} got an incomplete answer`, { cause });
}

/** The body of an answer as JSON. Throws `MeshAdapterError` `mesh-answer-malformed`. */
export function parseJsonAnswer(body: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'));
  } catch (cause) {
    throw new MeshAdapterError('mesh-answer-malformed', `the answer to ${what} is not JSON`, { cause });
  }
}

/** Turns a status of 400 or more into an error. `text` is the mesh's message, cut to one line. */
export function refusedByStatus(status: number, what: string, text: string): MeshAdapterError {
  const reason = text.split('\n', 1)[0]?.slice(0, 300) ?? '';
  return new MeshAdapterError(
    codeOf(status),
    `${what} was answered with ${status}${reason === '' ? '' : `: ${JSON.stringify(reason)}`}`,
  );
}

function codeOf(status: number): MeshAdapterErrorCode {
  switch (status) {
    case 401:
      return 'mesh-unauthenticated';
    case 403:
      return 'mesh-forbidden';
    case 404:
      return 'mesh-not-found';
    case 409:
      return 'mesh-conflict';
    case 410:
      return 'mesh-expired';
    case 429:
      return 'mesh-unavailable';
    default:
      return status >= 500 ? 'mesh-unavailable' : 'mesh-refused';
  }
}
