import type { Clock } from '../../platform/index.ts';
import { readCaFile } from './ca-file.ts';
import { fetchHttp, type HttpRequest, parseJsonAnswer, refusedByStatus } from './http-request.ts';

const MAX_BYTES = 8 * 1024 * 1024;
const TIMEOUT_MS = 15_000;

export interface JsonApiOptions {
  /** Base URL; its path precedes every path. */
  readonly address: string;
  /**
   * PEM file with the CA of the server's certificate, read for every request. Without it the
   * system's trust store decides.
   */
  readonly caFile?: string | undefined;
  /** Headers with our credentials, computed for every request. */
  readonly credentials: () => Promise<Readonly<Record<string, string>>>;
  /** Reads the message in the body of a refusal; undefined where the body has none. */
  readonly refusalOf: (body: Buffer) => string;
  readonly clock: Clock;
}

/** An HTTP API that speaks JSON. Each request is bounded in bytes and time. */
export class JsonApi {
  readonly #options: JsonApiOptions;

  constructor(options: JsonApiOptions) {
    this.#options = options;
  }

  /**
   * One request; the value of a body that is JSON, undefined for an empty one. Throws
   * `MeshAdapterError`: `credentials-unusable`, and the codes of `fetchHttp` and `refusedByStatus`.
   */
  async send(
    method: HttpRequest['method'],
    path: string,
    options: {
      readonly query?: Readonly<Record<string, string>>;
      readonly body?: unknown;
      readonly signal: AbortSignal;
    },
  ): Promise<unknown> {
    const { query = {}, body, signal } = options;
    const { address, caFile, credentials, refusalOf, clock } = this.#options;
    const url = new URL(address);
    url.pathname = `${url.pathname.replace(/\/$/, '')}${path}`;
    url.search = new URLSearchParams(query).toString();
    const ca = caFile === undefined ? undefined : await readCaFile(caFile);
    const answer = await fetchHttp(
      {
        method,
        url,
        headers: {
          ...(await credentials()),
          accept: 'application/json',
          'user-agent': 'federate',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(ca === undefined ? {} : { connection: { ca } }),
        signal,
      },
      { maxBytes: MAX_BYTES, timeoutMs: TIMEOUT_MS, clock },
    );
    const what = `${method} ${path}`;
    if (answer.status < 200 || answer.status > 299)
      throw refusedByStatus(answer.status, what, refusalOf(answer.body));
    return answer.body.length === 0 ? undefined : parseJsonAnswer(answer.body, what);
  }
}
