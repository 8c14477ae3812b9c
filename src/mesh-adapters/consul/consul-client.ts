import { defined } from '../../objects/index.ts';
import type { Clock } from '../../platform/index.ts';
import { readCaFile } from '../contract/ca-file.ts';
import { fetchHttp, type HttpAnswer, parseJsonAnswer, refusedByStatus } from '../contract/http-request.ts';
import { readTokenFile } from '../contract/token-file.ts';

const MAX_BYTES = 8 * 1024 * 1024;
const TIMEOUT_MS = 15_000;

/** The HTTP API of a Consul server or agent, each request bounded in bytes and time. */
export class ConsulClient {
  readonly #address: URL;
  readonly #tokenFile: string | undefined;
  readonly #caFile: string | undefined;
  readonly #datacenter: string | undefined;
  readonly #clock: Clock;

  constructor(options: {
    readonly address: string;
    readonly tokenFile?: string | undefined;
    /**
     * PEM file with the CA of the API's certificate. Without it the system's trust store decides.
     */
    readonly caFile?: string | undefined;
    readonly datacenter?: string | undefined;
    readonly clock: Clock;
  }) {
    this.#address = new URL(options.address);
    this.#tokenFile = options.tokenFile;
    this.#caFile = options.caFile;
    this.#datacenter = options.datacenter;
    this.#clock = options.clock;
  }

  /**
   * One request; `waitMs` is how long the server may think it over in a blocking query. Throws
   * `MeshAdapterError`: `credentials-unusable` for a token or CA file, the codes of `fetchHttp` and
   * `refusedByStatus`.
   */
  async send(
    method: 'GET' | 'PUT' | 'POST' | 'DELETE',
    path: string,
    options: {
      readonly query?: Readonly<Record<string, string>>;
      readonly body?: unknown;
      readonly waitMs?: number;
      readonly signal: AbortSignal;
    },
  ): Promise<{ readonly value: unknown; readonly answer: HttpAnswer }> {
    const { query = {}, body, waitMs = 0, signal } = options;
    const url = new URL(this.#address);
    url.pathname = `${url.pathname.replace(/\/$/, '')}${path}`;
    url.search = new URLSearchParams({
      ...query,
      ...(this.#datacenter && { dc: this.#datacenter }),
    }).toString();
    const token = await this.#token();
    const ca = this.#caFile === undefined ? undefined : await readCaFile(this.#caFile);
    const answer = await fetchHttp(
      {
        method,
        url,
        headers: {
          accept: 'application/json',
          'user-agent': 'federate',
          ...defined({ 'x-consul-token': token }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(ca === undefined ? {} : { connection: { ca } }),
        signal,
      },
      // The product adds up to a sixteenth to the wait.
      { maxBytes: MAX_BYTES, timeoutMs: TIMEOUT_MS + waitMs + waitMs / 16, clock: this.#clock },
    );
    const what = `${method} ${path}`;
    if (answer.status !== 200) throw refusedByStatus(answer.status, what, answer.body.toString('utf8'));
    return { value: answer.body.length === 0 ? undefined : parseJsonAnswer(answer.body, what), answer };
  }

  async #token(): Promise<string | undefined> {
    return this.#tokenFile === undefined ? undefined : await readTokenFile(this.#tokenFile);
  }
}
