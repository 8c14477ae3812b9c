import { defined } from '../../objects/index.ts';
import type { Clock, HttpAnswer, HttpConnection } from '../../platform/index.ts';
import { readCredentials } from './credential-files.ts';
import { fetchHttp, type MeshRequest, parseJsonAnswer, refusedByStatus } from './http-request.ts';

const TIMEOUT_MS = 15_000;

/** The base URL of an API, whose path precedes every path, and our credentials for it. */
export interface ApiAccess {
  readonly address: URL | string;
  readonly connection: HttpConnection;
}

export interface JsonApiOptions {
  /** Found for every request, because tokens and CAs are replaced. */
  readonly access: () => Promise<ApiAccess>;
  /** Goes with every request. */
  readonly query?: Readonly<Record<string, string>>;
  /** Reads the message in the body of a refusal; empty where the body has none. */
  readonly refusalOf: (body: Buffer) => string;
  /** 8 MiB by default. */
  readonly maxBytes?: number;
  readonly clock: Clock;
}

export interface JsonRequest {
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** How much longer than usual the server may take. */
  readonly waitMs?: number;
  readonly signal: AbortSignal;
}

export interface JsonAnswer {
  /** Undefined for an empty body. */
  readonly value: unknown;
  readonly headers: HttpAnswer['headers'];
}

/** The HTTP API of a mesh, which speaks JSON. Each request is bounded in bytes and time. */
export class JsonApi {
  readonly #options: JsonApiOptions;

  constructor(options: JsonApiOptions) {
    this.#options = options;
  }

  /**
   * Sends one request. Throws `MeshAdapterError`: `credentials-unusable`, and the codes of
   * `fetchHttp` and `refusedByStatus`.
   */
  async send(method: MeshRequest['method'], path: string, options: JsonRequest): Promise<JsonAnswer> {
    const { refusalOf, maxBytes = 8 * 1024 * 1024, clock } = this.#options;
    const timeoutMs = TIMEOUT_MS + (options.waitMs ?? 0);
    const request = await this.request(method, path, options);
    const { status, headers, body } = await fetchHttp(request, { maxBytes, timeoutMs, clock });
    const what = `${method} ${path}`;
    if (status < 200 || status > 299) throw refusedByStatus(status, what, refusalOf(body));
    return { value: body.length === 0 ? undefined : parseJsonAnswer(body, what), headers };
  }

  /** The request that `send` sends. Throws `MeshAdapterError` `credentials-unusable`. */
  async request(
    method: MeshRequest['method'],
    path: string,
    { query, body, signal }: JsonRequest,
  ): Promise<MeshRequest> {
    const { address, connection } = await this.#options.access();
    const to = new URL(address);
    to.pathname = `${to.pathname.replace(/\/$/, '')}${path}`;
    to.search = new URLSearchParams({ ...query, ...this.#options.query }).toString();
    const headers = { accept: 'application/json', 'user-agent': 'federate' };
    return { method, to, headers, json: body, connection, signal };
  }
}

/**
 * The access by files: the CA of the server's certificate and our token. Without a CA file the
 * system's trust store decides. Throws `MeshAdapterError` `credentials-unusable`.
 */
export function accessByFiles(options: {
  readonly address: string;
  readonly caFile?: string | undefined;
  readonly tokenFile?: string | undefined;
  /** The headers that carry the token. */
  readonly credentials: (token: string) => Readonly<Record<string, string>>;
}): JsonApiOptions['access'] {
  const { address, caFile, tokenFile, credentials } = options;
  return async () => {
    const ca = caFile === undefined ? undefined : await readCredentials('CA', caFile);
    const headers = tokenFile === undefined ? {} : credentials(await readCredentials('token', tokenFile));
    return { address, connection: { ...defined({ ca }), headers } };
  };
}
